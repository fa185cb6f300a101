/** The client as a program: its settings, and what of them a start would refuse. */
import { ConfigError, type ConfigProblem, type Environment, defineProgram } from '@postern/config';
import { type ClientSettings, schema } from './config.ts';
import { ClientError } from './errors.ts';
import { readOptions } from './options.ts';
import { readAclFile } from './resource/acl-file.ts';

/** The program `postern-client`. */
export const program = defineProgram({
  name: 'postern-client',
  description:
    'The client of a private network: dials out to the platform and reaches what the gateway’s callers ask for.',
  environmentPrefix: 'CLIENT',
  schema,
  check: checkOptions,
  epilogue: [
    'Examples:',
    '  POSTERN_TOKEN=… postern-client 7Kq2nZ4tWx --connect https://gateway.example.com',
    '  postern-client 7Kq2nZ4tWx --connect https://gateway.example.com --token-file token -F access.acl',
    '  postern-client 7Kq2nZ4tWx --connect https://gateway.example.com --proxy http://user:password@proxy:3128',
    '',
    'It writes "connected <gatewayId> <clientId>" to stdout when its first tunnel is up. Exit codes: 0 asked to stop,',
    '64 bad usage, 69 --reconnect used up, 77 refused for all its gateways before the first tunnel, 78 bad configuration.',
    'A signal to stop that comes before Node has read the program, in its first tenth of a second, ends it by itself (143, 130).',
  ].join('\n'),
});

/** Reads all that a start reads before its first call. */
function checkOptions(settings: ClientSettings, environment: Environment): void {
  const { gateways } = readOptions(settings, environment);
  const problems = gateways.flatMap(({ aclFile }): ConfigProblem[] => {
    try {
      if (aclFile !== null) readAclFile(aclFile);
      return [];
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      return [{ code: 'CONFIG_FILE', message: error.message }];
    }
  });
  if (problems.length > 0) throw new ConfigError(problems);
}
