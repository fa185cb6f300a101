/**
 * The client's settings, and what is made of them once: which gateways with which token and list, through which proxy.
 * The old product's flags are here too: those whose feature is here mean the same, the others are taken and named as
 * without effect. What the old client took for several gateways at once is divided by `--`, `none` stands for nothing.
 */
import { readFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import {
  ConfigError,
  type ConfigProblem,
  type Environment,
  Secret,
  defineProgram,
  httpSettings,
  readSecretFile,
  secret,
  telemetrySettings,
} from '@postern/config';
import type { LogLevel } from '@postern/telemetry';
import { type Static, Type } from 'typebox';
import { Hosts } from '@postern/dial';
import { type HttpBounds, httpBounds } from '@postern/exchange';
import { type ChooseProxy, type ProxyEnvironment, proxyChooser } from './proxy-choice.ts';

const gatewayIdPattern = '^[A-Za-z0-9]{1,64}$';

/** The most gateways of one process. */
export const gatewaysMax = 64;

const schema = Type.Object({
  gatewayIds: Type.Array(Type.String({ pattern: gatewayIdPattern }), {
    argument: '[gatewayId...]',
    default: [],
    maxItems: gatewaysMax,
    description: 'The gateways to serve.',
  }),
  connect: Type.String({
    short: '-g',
    aliases: ['--gateway'],
    minLength: 1,
    maxLength: 500,
    placeholder: 'URL',
    description: 'The platform: https://HOST[:443].',
  }),
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
    Type.String({ placeholder: 'FILE', description: 'The CA to believe in place of the usual ones (PEM).' }),
  ),
  aclFile: Type.Optional(
    Type.String({
      short: '-F',
      aliases: ['--F', '--aclfile'],
      placeholder: 'FILE',
      description:
        "This client's own access list: what it does not allow is refused here, whatever the gateway's list says. Read anew on SIGHUP.",
    }),
  ),
  hosts: Type.Record(Type.String(), Type.String(), {
    default: {},
    placeholder: 'NAME=ADDRESS',
    description: 'Names that this client resolves itself; may repeat.',
  }),
  proxy: Type.Optional(
    secret({
      inArgv: true,
      aliases: ['-x'],
      placeholder: 'URL',
      maxLength: 2000,
      description:
        'The proxy to go out by: http://, https:// or socks5://[USER:PASSWORD@]HOST:PORT. Without it HTTPS_PROXY and ALL_PROXY count; NO_PROXY excepts hosts from either.',
    }),
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
    description: 'Callers of cloud destinations at once, for each gateway.',
  }),
  ...httpSettings,
  tunnels: Type.Integer({
    minimum: 1,
    maximum: 8,
    default: 2,
    description: 'Tunnels to hold for each gateway, to different nodes where there are several.',
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
      description: 'A file to log to, in place of stderr.',
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

/** The program `postern-client`. */
export const program = defineProgram({
  name: 'postern-client',
  description:
    'The client of a private network: dials out to the platform and reaches what the gateway’s callers ask for.',
  environmentPrefix: 'CLIENT',
  schema,
  epilogue: [
    'Examples:',
    '  POSTERN_TOKEN=… postern-client 7Kq2nZ4tWx --connect https://gateway.example.com',
    '  postern-client 7Kq2nZ4tWx --connect https://gateway.example.com --token-file token -F access.acl',
    '  postern-client 7Kq2nZ4tWx --connect https://gateway.example.com --proxy http://user:password@proxy:3128',
    '',
    'It writes "connected <gatewayId> <clientId>" to stdout when its first tunnel is up. Exit codes: 0 asked to stop,',
    '64 bad usage, 69 --reconnect used up, 77 refused for all its gateways before the first tunnel, 78 bad configuration.',
  ].join('\n'),
});

/** One gateway to serve. */
export interface GatewayOptions {
  readonly id: string;
  /** The token now: a file is read anew each time. Null where none was given. Throws what reading throws. */
  readonly readToken: () => string | null;
  readonly aclFile: string | null;
  readonly logLevel: LogLevel;
}

/** What the client is made of. */
export interface ClientOptions {
  readonly gateways: readonly GatewayOptions[];
  readonly connectUrl: URL;
  readonly caPem: string | null;
  readonly chooseProxy: ChooseProxy;
  readonly hosts: Hosts;
  readonly transport: 'auto' | 'direct' | 'websocket';
  readonly reconnect: number;
  readonly tunnels: number;
  readonly listenHost: string;
  readonly callersMax: number;
  readonly http: HttpBounds;
  readonly name: string;
  readonly state: string;
}

/** Makes options of settings; throws ConfigError with everything that is wrong. */
export function readOptions(settings: ClientSettings, environment: ProxyEnvironment): ClientOptions {
  const problems: ConfigProblem[] = [];
  const attempt = <Result>(code: ConfigProblem['code'], run: () => Result): Result | null => {
    try {
      return run();
    } catch (error) {
      problems.push({ code, message: error instanceof Error ? error.message : String(error) });
      return null;
    }
  };
  const gateways = attempt('CONFIG_USAGE', () => readGateways(settings));
  const connectUrl = attempt('CONFIG_USAGE', () => readConnectUrl(settings.connect));
  const caPem =
    settings.ca === undefined ? null : attempt('CONFIG_FILE', () => readFileSync(settings.ca ?? '', 'utf8'));
  const chooseProxy = attempt('CONFIG_INVALID', () =>
    proxyChooser(settings.proxy?.reveal() ?? null, environment),
  );
  const hosts = attempt('CONFIG_INVALID', () => new Hosts(settings.hosts));
  if (
    problems.length > 0 ||
    gateways === null ||
    connectUrl === null ||
    chooseProxy === null ||
    hosts === null
  ) {
    throw new ConfigError(problems);
  }
  const { transport, reconnect, tunnels, listenHost, callersMax } = settings;
  const name = settings.name === '' ? hostname() : settings.name;
  return {
    gateways,
    connectUrl,
    caPem,
    chooseProxy,
    hosts,
    transport,
    reconnect,
    tunnels,
    listenHost,
    callersMax,
    http: httpBounds(settings),
    name,
    state: stateFolder(settings, environment),
  };
}

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

/** The least level of all gateways, for what belongs to none. */
export function rootLogLevel(options: Pick<ClientOptions, 'gateways'>): LogLevel {
  const order: LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];
  const least = Math.min(...options.gateways.map(({ logLevel }) => order.indexOf(logLevel)));
  return order[least] ?? 'info';
}

function readGateways(settings: ClientSettings): GatewayOptions[] {
  const own = new Map((settings.gateways ?? []).map((gateway) => [gateway.id, gateway]));
  const ids = settings.gatewayIds.length > 0 ? settings.gatewayIds : [...own.keys()];
  if (ids.length === 0) throw new TypeError('no gateway is given: name at least one ID');
  if (new Set(ids).size < ids.length) throw new TypeError('a gateway is named twice');
  const each = (text: string | undefined): (string | null)[] => divide(text, ids.length);
  const aclFiles = each(settings.aclFile);
  const levels = each(settings.logLevel).map((level) => (level === null ? null : readLevel(level)));
  divide(settings.token?.reveal(), ids.length);
  return ids.map((id, index): GatewayOptions => {
    const special = own.get(id);
    return {
      id,
      aclFile: special?.aclFile ?? aclFiles[index] ?? null,
      logLevel: levels[index] ?? levels[0] ?? 'info',
      readToken: () => {
        if (special?.tokenFile !== undefined) return readSecretFile(special.tokenFile);
        if (special?.token instanceof Secret) return special.token.reveal();
        return divide(settings.token?.current(), ids.length)[index] ?? null;
      },
    };
  });
}

/**
 * `a--none--b` for three gateways is `[a, null, b]`; for one gateway the text is left whole. A token may hold "--"
 * itself, so a text with tokens in it (`pt_…`) is divided only where the next one begins.
 */
function divide(text: string | undefined, count: number): (string | null)[] {
  if (text === undefined || text === '') return [];
  const divider = text.includes('pt_') ? /(?:--|\s+)(?=pt_|none(?:--|\s|$))/ : /--|\s+/;
  const parts = count === 1 ? [text] : text.trim().split(divider);
  if (parts.length > count)
    throw new TypeError(`${parts.length} values, divided by "--", are given for ${count} gateways`);
  return parts.map((part) => (part === 'none' || part === '' ? null : part.trim()));
}

function readLevel(text: string): LogLevel {
  const level = text.toLowerCase();
  switch (level) {
    case 'trace':
    case 'debug':
    case 'info':
    case 'warn':
    case 'error':
    case 'silent':
      return level;
    default:
      throw new TypeError(
        `the log level is one of trace, debug, info, warn, error, silent, not ${JSON.stringify(text.slice(0, 40))}`,
      );
  }
}

function readConnectUrl(text: string): URL {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`);
  if (
    url === null ||
    url.protocol !== 'https:' ||
    url.username !== '' ||
    !/^\/?$/.test(url.pathname) ||
    url.search !== ''
  ) {
    throw new TypeError('--connect is https://HOST[:PORT], without path and credentials');
  }
  return url;
}

function stateFolder({ state }: ClientSettings, environment: Environment): string {
  if (state !== '') return state;
  return join(environment['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'postern-client');
}
