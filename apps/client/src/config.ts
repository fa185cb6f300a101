/**
 * The client's settings. The old product's flags are here too: those whose feature is here mean the same, the others are
 * taken and named as without effect.
 */
import { httpSettings, readBy, secret, telemetrySettings } from '@postern/config';
import { Hosts } from '@postern/dial';
import { type Static, Type } from 'typebox';
import { readConnectUrl } from './platform/connect-url.ts';
import { parseProxy } from './platform/proxy-choice.ts';

const gatewayIdPattern = '^[A-Za-z0-9]{1,64}$';

/** The most gateways of one process. */
export const gatewaysMax = 64;

/** What all settings of the program are read from. */
export const schema = Type.Object({
  gatewayIds: Type.Array(Type.String({ pattern: gatewayIdPattern }), {
    argument: '[gatewayId...]',
    default: [],
    maxItems: gatewaysMax,
    description: 'The gateways to serve.',
  }),
  connect: readBy(
    Type.String({
      short: '-g',
      aliases: ['--gateway'],
      minLength: 1,
      maxLength: 500,
      placeholder: 'URL',
      description: 'The platform: https://HOST[:443].',
    }),
    readConnectUrl,
  ),
  token: Type.Optional(
    secret({
      environment: 'POSTERN_TOKEN',
      inArgv: ['-t', '--t', '--sectoken'],
      maxLength: 65_536,
      description:
        'The security token; for several gateways one each in their order, divided by "--". Its file is read anew every few seconds and on SIGHUP: another token there replaces the tunnels without a cut.',
    }),
  ),
  ca: Type.Optional(
    Type.String({
      placeholder: 'FILE',
      description:
        'The CA to believe in place of the usual ones (PEM); read anew for each connection to the platform.',
    }),
  ),
  aclFile: Type.Optional(
    Type.String({
      short: '-F',
      aliases: ['--F', '--aclfile'],
      placeholder: 'FILE',
      description:
        "This client's own access list: what it does not allow is refused here, whatever the gateway's list says. Read anew on SIGHUP. Of several gateways each has a file of its own, divided by --.",
    }),
  ),
  hosts: readBy(
    Type.Record(Type.String(), Type.String(), {
      default: {},
      placeholder: 'NAME=ADDRESS',
      description: 'Names that this client resolves itself; may repeat.',
    }),
    (addresses: Record<string, string>) => new Hosts(addresses),
  ),
  proxy: Type.Optional(
    readBy(
      secret({
        inArgv: true,
        aliases: ['-x'],
        placeholder: 'URL',
        maxLength: 2000,
        description:
          'The proxy to go out by: http://, https:// or socks5://[USER:PASSWORD@]HOST:PORT. Without it HTTPS_PROXY and ALL_PROXY count; NO_PROXY excepts hosts from either.',
      }),
      parseProxy,
    ),
  ),
  transport: Type.Union([Type.Literal('auto'), Type.Literal('direct'), Type.Literal('websocket')], {
    default: 'auto',
    description:
      'How tunnels travel: directly to the nodes, by WebSocket to the platform, or whichever works, directly first.',
  }),
  reconnect: Type.Integer({
    short: '-r',
    minimum: -1,
    maximum: 1_000_000,
    default: -1,
    placeholder: 'N',
    description: 'Give up after so many tries in a row; -1 for never.',
  }),
  name: Type.String({
    default: '',
    maxLength: 255,
    placeholder: 'NAME',
    description: 'What operators see as the name of this client; the host name unless given.',
  }),
  state: Type.String({
    default: '',
    placeholder: 'DIR',
    description:
      'The folder that keeps who this client is; $XDG_STATE_HOME/postern-client or ~/.local/state/postern-client unless given.',
  }),
  listenHost: Type.String({
    minLength: 1,
    maxLength: 253,
    default: '127.0.0.1',
    placeholder: 'HOST',
    description:
      'The address on which callers of cloud destinations are taken, each at its clientPort; 0.0.0.0 for every address of this machine.',
  }),
  callersMax: Type.Integer({
    minimum: 1,
    maximum: 1_000_000,
    default: 4096,
    description:
      'Callers of cloud destinations at once, for each gateway. UDP callers have half of them at most.',
  }),
  ...httpSettings,
  tunnels: Type.Integer({
    minimum: 1,
    maximum: 8,
    default: 2,
    description:
      'Tunnels to hold for each gateway, to different nodes where there are several. With one, a node that is stopped in order costs nothing either; where it dies, callers wait until there is another.',
  }),
  logLevel: Type.String({
    environment: 'POSTERN_LOG_LEVEL',
    short: '-l',
    aliases: ['--l', '--loglevel'],
    default: 'info',
    maxLength: 1000,
    placeholder: 'LEVEL',
    description: 'The least grave message that is logged: trace, debug, info, warn, error or silent.',
  }),
  logFile: Type.Optional(
    Type.String({
      short: '-p',
      aliases: ['--logpath'],
      placeholder: 'FILE',
      description:
        'A file to log to, in place of stderr. Opened anew on SIGHUP, so that it can be renamed away before.',
    }),
  ),
  opsHost: Type.String({
    minLength: 1,
    default: '127.0.0.1',
    placeholder: 'HOST',
    description: 'The address that serves /healthz, /readyz, /metrics and /status. Not meant for the public.',
  }),
  opsPort: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 65535,
      placeholder: 'PORT',
      description: 'Their port, 0 for a free one; they are not served unless it is given.',
    }),
  ),
  ...telemetrySettings,
  gateways: Type.Optional(
    Type.Array(
      Type.Object(
        {
          id: Type.String({ pattern: gatewayIdPattern }),
          token: Type.Optional(secret({ description: 'Its security token.' })),
          tokenFile: Type.Optional(Type.String({ description: 'The file that holds it.' })),
          aclFile: Type.Optional(Type.String({ description: 'The own access list for this gateway.' })),
        },
        { additionalProperties: false },
      ),
      {
        maxItems: gatewaysMax,
        description: 'Gateways with a token and a list of their own: {id, token or tokenFile, aclFile}.',
      },
    ),
  ),
  allowAll: Type.Boolean({
    default: false,
    aliases: ['--allow'],
    hidden: true,
    description:
      'Old flag: no list of this client’s own, so the gateway’s alone decides. A file overrides it.',
  }),
  ui: Type.Boolean({
    default: true,
    negations: ['--noUI'],
    hidden: true,
    description: 'Old flag: the local user interface.',
  }),
  uiPort: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 65535,
      short: '-P',
      aliases: ['--port'],
      hidden: true,
      description: 'Old flag: the port of the local user interface.',
    }),
  ),
  uiPassword: Type.Optional(
    secret({
      inArgv: ['-w', '--password'],
      hidden: true,
      description: 'Old flag: the password of the local user interface.',
    }),
  ),
  service: Type.Boolean({
    default: false,
    hidden: true,
    description: 'Old flag: start again when all gateways have ended.',
  }),
  license: Type.Boolean({
    default: true,
    negations: ['--no_license'],
    hidden: true,
    description: 'Old flag: do not ask for the licence.',
  }),
});

/** The settings as flags, environment and file give them. */
export type ClientSettings = Readonly<Static<typeof schema>>;

/** Old flags that were given and have no effect in this version, as they are written; never with their values. */
export function withoutEffect(settings: ClientSettings): string[] {
  return [
    ...(settings.ui ? [] : ['--noUI']),
    ...(settings.uiPort === undefined ? [] : ['-P']),
    ...(settings.uiPassword === undefined ? [] : ['-w']),
    ...(settings.service ? ['--service'] : []),
    ...(settings.license ? [] : ['--no_license']),
    ...(settings.allowAll ? ['--allow'] : []),
  ];
}
