/**
 * What is made of the client's settings once: which gateways with which token and list, through which proxy. What the old
 * client took for several gateways at once is divided by `--`, `none` stands for nothing.
 */
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { ConfigError, type ConfigProblem, type Environment, Secret, readSecretFile } from '@postern/config';
import type { LogLevel } from '@postern/telemetry';
import { Hosts } from '@postern/dial';
import { type HttpBounds, httpBounds } from '@postern/exchange';
import type { ClientSettings } from './config.ts';
import { readCa } from './platform/ca-file.ts';
import { readConnectUrl } from './platform/connect-url.ts';
import { type ChooseProxy, type ProxyEnvironment, proxyChooser } from './platform/proxy-choice.ts';

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
  /** The file of the CAs to believe in place of the usual ones, and what it holds. */
  readonly ca: { readonly file: string; readonly pem: string } | null;
  readonly chooseProxy: ChooseProxy;
  readonly hosts: Hosts;
  readonly transport: 'auto' | 'direct' | 'websocket';
  readonly reconnect: number;
  readonly tunnels: number;
  /** The address on which callers of cloud destinations are taken, how many at once, and the bounds of HTTP with them. */
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
  const { ca: caFile = null } = settings;
  const caPem = caFile === null ? null : attempt('CONFIG_FILE', () => readCa(caFile));
  const chooseProxy = attempt('CONFIG_INVALID', () =>
    proxyChooser(settings.proxy?.reveal() ?? null, environment),
  );
  if (problems.length > 0 || gateways === null || chooseProxy === null) throw new ConfigError(problems);
  const { transport, reconnect, tunnels, listenHost, callersMax } = settings;
  const name = settings.name === '' ? hostname() : settings.name;
  return {
    gateways,
    connectUrl: readConnectUrl(settings.connect),
    ca: caFile === null || caPem === null ? null : { file: caFile, pem: caPem },
    chooseProxy,
    hosts: new Hosts(settings.hosts),
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

/** Gateways that have no list of the client's own, where others have one: they may have been meant to have it too. */
export function gatewaysWithoutList({ gateways }: Pick<ClientOptions, 'gateways'>): string[] {
  if (gateways.every(({ aclFile }) => aclFile === null)) return [];
  return gateways.filter(({ aclFile }) => aclFile === null).map(({ id }) => id);
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

function stateFolder({ state }: ClientSettings, environment: Environment): string {
  if (state !== '') return state;
  return join(environment['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'postern-client');
}
