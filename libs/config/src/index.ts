/**
 * A program's settings from one TypeBox schema: flags, environment, YAML file, defaults, help and docs.
 *
 *     // config.ts
 *     const schema = Type.Object({
 *       ...logSettings, ...opsSettings(9101), ...natsSettings,
 *       port: Type.Integer({ minimum: 0, maximum: 65535, default: 9000, description: 'Where tunnels end.' }),
 *       hosts: Type.Record(Type.String(), Type.String(), { default: {}, placeholder: 'NAME=ADDRESS', description: '…' }),
 *       token: Type.Optional(secret({ environment: 'POSTERN_TOKEN', description: '…' })),
 *       gateways: Type.Array(Type.String(), { argument: '<gatewayId...>', description: '…' }),
 *     });
 *     export const program = defineProgram({ name: 'postern-edge', description: '…', environmentPrefix: 'EDGE', schema });
 *     export type EdgeSettings = Static<typeof schema>;
 *
 *     // main.ts
 *     const settings = program.parse();          // prints and exits on --help, --version, --check-config and mistakes
 *
 * Every property needs a `description`. One without default that is not `Type.Optional` is required. Further words on a
 * property are those of `SettingAnnotations`: `environment`, `short`, `aliases`, `negations`, `argument`, `placeholder`,
 * `notBelow`, `hidden`, `inArgv`. Lists and maps take repeated flags and commas; the higher source replaces them whole.
 * Objects and lists of objects are read from the file only; `secret()` inside them is wrapped too.
 * A `Secret` shows `***` everywhere but in `.reveal()`; `.current()` reads one that came from a file anew.
 */
export { readBoundedBytes, readBoundedText, readSecretFile, secretFileBytesMax } from './bounded-file.ts';
export { readCaFile } from './ca-file.ts';
export {
  type MongodbConnectionSettings,
  type NatsConnectionSettings,
  mongodbConnection,
  natsConnection,
} from './connection.ts';
export type { Environment } from './environment.ts';
export { type ConfigProblem, ConfigError } from './errors.ts';
export { ExitCode } from './exit-code.ts';
export { certificateNameForm, hostForm, hostFormOrEmpty } from './host.ts';
export { knownVariables } from './known-variables.ts';
export { type Program, defineProgram } from './program.ts';
export { readBy } from './read-by.ts';
export { Secret, secret } from './secret.ts';
export type { Setting } from './setting.ts';
export {
  httpSettings,
  logSettings,
  natsSettings,
  opsSettings,
  platformSettings,
  serviceSettings,
  telemetrySettings,
} from './shared-settings.ts';
export { describeType } from './value.ts';
