/**
 * The settings of standalone: its folder, where everything listens, and the bounds of the services inside, which are
 * those of the services' own programs. What services need to know of each other is not asked for; service-options.ts
 * makes it of these.
 */
import { aclOptions } from '@postern/acl';
import { adminOptions } from '@postern/admin';
import { certstoreBounds, transitOptions } from '@postern/certstore';
import {
  certificateNameForm,
  defineProgram,
  hostForm,
  logSettings,
  platformSettings,
  secret,
  telemetrySettings,
} from '@postern/config';
import { edgeOptions } from '@postern/edge';
import { routerOptions } from '@postern/router';
import { Type, type Static } from 'typebox';
import { Value } from 'typebox/value';

const port = { minimum: 0, maximum: 65535, placeholder: 'PORT' };

const {
  name: _node,
  zone: _zone,
  platformHost: _host,
  listenHost: _listenHost,
  connectPort: _connectPort,
  httpPort: _httpPort,
  tunnelPort: _tunnelPort,
  frontHost: _frontHost,
  certificateNames: _certificateNames,
  // Its only node has no others to talk to.
  linkPort: _linkPort,
  linkAdvertiseHost: _linkAdvertiseHost,
  linkAdvertisePort: _linkAdvertisePort,
  joinDelayMs: _joinDelayMs,
  drainDelayMs: _drainDelayMs,
  relayedBytesPerSecondMax: _relayedBytes,
  ...edgeBounds
} = edgeOptions;
const {
  platformHost: _routerHost,
  frontHost: _shownHost,
  reservedPorts: _reserved,
  sharedPort: _shared,
  sharedHttpPort: _sharedHttp,
  ...routerBounds
} = routerOptions;
const { firstApiKey: _firstApiKey, ...aclBounds } = aclOptions;
const {
  platformHost: _adminsHost,
  listenHost: _adminHost,
  port: _adminPort,
  certificateNames: _adminNames,
  ...adminBounds
} = adminOptions;

const platformOptions = {
  ...platformSettings,
  listenHost: Type.String({
    minLength: 1,
    default: '127.0.0.1',
    placeholder: 'HOST',
    description:
      'The address of the connect port, the tunnel port and the fronts; 0.0.0.0 for every address of this machine.',
  }),
  connectPort: Type.Optional(
    Type.Integer({
      ...port,
      description:
        'Where clients make their first call. Unless given, 443 for root where it is free, else 8443. 0 takes a free one. What was taken is kept in the folder.',
    }),
  ),
  httpPort: Type.Optional(
    Type.Integer({
      ...port,
      description:
        'Where plain HTTP fronts that share a port are called, told apart by Host. Unless given, 80 for root, else 8080, and a free one where that is taken. 0 takes a free one. What was taken is kept in the folder.',
    }),
  ),
  tunnelPort: Type.Integer({
    ...port,
    default: 9000,
    description: 'Where tunnels end; 0 takes a free one and keeps it.',
  }),
  frontHost: Type.String({
    maxLength: 253,
    ...hostForm,
    default: '127.0.0.1',
    placeholder: 'HOST',
    description: 'The host that is shown to callers for fronts that are given none.',
  }),
  adminHost: Type.String({
    minLength: 1,
    default: '127.0.0.1',
    placeholder: 'HOST',
    description: 'The address of the admin API.',
  }),
  adminPort: Type.Integer({
    ...port,
    default: 7443,
    description: 'The port of the admin API; 0 takes a free one and keeps it.',
  }),
  certificateNames: Type.Array(Type.String({ maxLength: 253, ...certificateNameForm }), {
    maxItems: 32,
    default: [],
    placeholder: 'NAME',
    description: 'Further names and addresses that the server certificates are to be good for.',
  }),
  ...edgeBounds,
  ...routerBounds,
  ...aclBounds,
  ...certstoreBounds,
  ...adminBounds,
};

const platformSchema = Type.Object(platformOptions);
/** The settings that shape the platform inside a process. */
export type PlatformSettings = Static<typeof platformSchema>;

/** All of them; what is not given is as by default. Throws where one is not as its schema says. */
export function platformSettingsOf(given: Partial<PlatformSettings>): PlatformSettings {
  // What was given may be frozen, lists in it too, and defaults are filled in where they lie.
  return Value.Parse(platformSchema, Value.Default(platformSchema, Value.Clone({ ...given })));
}

const schema = Type.Object({
  state: Type.String({ minLength: 1, placeholder: 'DIR', description: 'The folder that keeps everything.' }),
  ...logSettings,
  ...telemetrySettings,
  opsHost: Type.String({
    minLength: 1,
    default: '127.0.0.1',
    placeholder: 'HOST',
    description: 'The address that serves /healthz, /readyz, /metrics and /status.',
  }),
  opsPort: Type.Optional(
    Type.Integer({
      ...port,
      description: 'Their port, 0 for a free one; they are not served unless it is given.',
    }),
  ),
  keyEncryptionKey: Type.Optional(
    secret({
      description:
        'The key that private keys in the documents are encrypted under: 32 bytes as base64. Unless given, one is made and kept in the folder. ' +
        'To replace it, put a new one in the line above it, and rotate.',
    }),
  ),
  ...transitOptions,
  ...platformOptions,
});

/** The program `postern-standalone`. */
export const program = defineProgram({
  name: 'postern-standalone',
  description: 'The whole platform in one process on embedded parts, with everything it keeps in one folder.',
  environmentPrefix: 'STANDALONE',
  schema,
  epilogue: [
    'When it is ready it has written DIR/operator.json (address and key of the admin API) and DIR/ca.pem, and writes one',
    'line "ready" to stdout. A second start on the same folder finds everything again, ports included.',
    'Exit codes: 0 asked to stop, 64 bad usage, 70 internal error, 78 bad configuration (a port or the folder is taken).',
    'A signal to stop that comes before Node has read the program, in its first tenth of a second, ends it by itself (143, 130).',
  ].join('\n'),
});
