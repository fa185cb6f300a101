/** Why a resource was not reached, in the words that its caller's operator reads. None of these has let a byte through. */
import { isIPv4 } from 'node:net';
import type { AccessDecision } from '@postern/access';
import { ResetCode } from '@postern/tunnel';
import { errorText, systemCode } from './error-text.ts';

/** Why a resource was not reached: the code of the RESET, and its text. */
export class ResourceError extends Error {
  readonly reset: ResetCode;
  /** The decision of the access list, where that was it. */
  readonly decision: AccessDecision | null;

  constructor(reset: ResetCode, message: string, options: ErrorOptions & { decision?: AccessDecision } = {}) {
    super(message, options);
    this.name = 'ResourceError';
    this.reset = reset;
    this.decision = options.decision ?? null;
  }
}

/** Whose words a fault is told in. */
export interface DialingEnd {
  /** `the client`, `the node`. */
  readonly name: string;
  /** What helps against a name that it cannot resolve. */
  readonly nameRemedy: string;
}

/** A place that was tried. */
export interface Place {
  readonly host: string;
  readonly port: number;
  /** Requests follow about whose paths the node asks the access lists: here any path will do. */
  readonly somePath?: boolean | undefined;
  /** Addresses of names, as the destination gives them. */
  readonly hosts?: Readonly<Record<string, string>> | undefined;
  /** How long there was for it; 0 for ever. */
  readonly connectTimeoutSeconds: number;
}

/** An access list denies it. */
export function deniedFault(
  end: DialingEnd,
  { host, port }: Pick<Place, 'host' | 'port'>,
  decision: AccessDecision,
): ResourceError {
  const text = `${host}:${port} is denied at ${end.name} by ${decision.reason}`;
  return new ResourceError(ResetCode.Denied, text, { decision });
}

/** A name that was not resolved; with `late`, not in time. */
export function resolveFault(end: DialingEnd, place: Place, error: unknown, late: boolean): ResourceError {
  const { host, connectTimeoutSeconds } = place;
  const code = systemCode(error);
  if (isWithoutFiles(code)) return filesFault(end, code, error);
  const text = late
    ? `${end.name} could not resolve ${host} within ${connectTimeoutSeconds} s`
    : `${end.name} cannot resolve ${host} (${code ?? errorText(error)}): ${end.nameRemedy}`;
  return new ResourceError(ResetCode.NotResolved, text, { cause: error });
}

/** A TCP connection that did not come up. */
export function connectFault(end: DialingEnd, place: Place, address: string, error: unknown): ResourceError {
  const { host, port, connectTimeoutSeconds } = place;
  const what = host === address ? `${host}:${port}` : `${host}:${port} (${address})`;
  const code = systemCode(error);
  if (isWithoutFiles(code)) return filesFault(end, code, error);
  if (code === 'EADDRNOTAVAIL' && isIPv4(address)) return portsFault(end, what, error);
  const fault = (reset: ResetCode, text: string) => new ResourceError(reset, text, { cause: error });
  switch (code) {
    case 'ECONNREFUSED':
    case 'ECONNRESET':
      return fault(ResetCode.Refused, `${what} refused ${end.name}'s connection`);
    case 'ETIMEDOUT': {
      const limit = connectTimeoutSeconds === 0 ? '' : ` within ${connectTimeoutSeconds} s`;
      return fault(ResetCode.TimedOut, `${what} did not answer ${end.name}${limit}`);
    }
    default:
      return fault(ResetCode.Unreachable, `${end.name} has no way to ${what}: ${errorText(error)}`);
  }
}

/** Neither the name nor the resource is to blame. */
function isWithoutFiles(code: string | null): boolean {
  return code === 'EMFILE' || code === 'ENFILE';
}

function filesFault(end: DialingEnd, code: string | null, cause: unknown): ResourceError {
  const text = `${end.name} has no file descriptors left (${code}): raise its limit (ulimit -n, LimitNOFILE)`;
  return new ResourceError(ResetCode.Limit, text, { cause });
}

/** Of IPv6 the same code can mean that the machine has no address from which to go there. */
function portsFault(end: DialingEnd, what: string, cause: unknown): ResourceError {
  const remedy = 'look for what holds its connections, or widen net.ipv4.ip_local_port_range';
  const text = `${end.name} has no port left to dial ${what} from (EADDRNOTAVAIL): ${remedy}`;
  return new ResourceError(ResetCode.Limit, text, { cause });
}

/** A connection that was up and broke. */
export function brokenText({ host, port }: Pick<Place, 'host' | 'port'>, error: unknown): string {
  const code = systemCode(error) ?? errorText(error);
  switch (code) {
    case 'ECONNRESET':
    case 'EPIPE':
      return `${host}:${port} reset the connection (${code}): its log, or a firewall's, has the cause`;
    case 'ETIMEDOUT':
      return `${host}:${port} no longer answers (${code}): is it still up, or does a firewall forget idle connections?`;
    default:
      return `the connection to ${host}:${port} broke (${code})`;
  }
}

/** One fault for all addresses: the code of the first that is not a denial, the texts of all. */
export function joinedFault(faults: readonly ResourceError[]): ResourceError {
  const main = faults.find(({ reset }) => reset !== ResetCode.Denied) ?? faults[0];
  if (main === undefined) return new ResourceError(ResetCode.NotResolved, 'the name has no address');
  if (faults.length === 1) return main;
  const text = faults.map(({ message }) => message).join('; ');
  return new ResourceError(main.reset, text.slice(0, 1000), {
    cause: main,
    ...(main.decision === null ? {} : { decision: main.decision }),
  });
}
