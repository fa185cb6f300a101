/**
 * Reaches one resource for one stream: access by name, resolve, access by address, connect to each address in turn. What
 * fails is thrown as a `ResourceError` that says for the caller's end what happened and who decided it; none of those
 * has let a byte through.
 */
import type { Socket } from 'node:net';
import type { AccessDecision, AccessTarget } from '@postern/access';
import { ResetCode, connectSocket } from '@postern/tunnel';
import { errorText, systemCode } from './error-text.ts';
import type { Hosts } from './hosts.ts';

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

/** What is to be reached; 0 seconds wait for ever. */
export interface ResourceTarget {
  readonly host: string;
  readonly port: number;
  readonly connectTimeoutSeconds: number;
}

/** Who may reach what: asked on the host as configured, then on each address that it resolved to. */
export interface ResourceGuard {
  decide(target: AccessTarget): AccessDecision;
  /** A denial on that address; null when there is none. */
  denialOf(target: AccessTarget, address: string): AccessDecision | null;
}

/** Whose words a fault is told in. */
export interface DialingEnd {
  /** `the client`, `the node`. */
  readonly name: string;
  /** What helps against a name that it cannot resolve. */
  readonly nameRemedy: string;
}

/** What decides and resolves. */
export interface ResourceParts {
  readonly guard: ResourceGuard;
  readonly hosts: Pick<Hosts, 'resolve'>;
  readonly end: DialingEnd;
}

/** Addresses of a target that may be dialled, and the faults of those that may not. */
interface Reachable {
  readonly addresses: readonly string[];
  readonly faults: ResourceError[];
  readonly deadline: number | null;
}

/** A connected socket, paused until somebody reads. Rejects with ResourceError, or the signal's reason. */
export async function dialResource(
  parts: ResourceParts,
  target: ResourceTarget,
  signal: AbortSignal,
): Promise<Socket> {
  const { addresses, faults, deadline } = await findResource(parts, target, signal);
  for (const [index, address] of addresses.entries()) {
    const timeoutMs = deadline === null ? null : (deadline - performance.now()) / (addresses.length - index);
    try {
      return await connectTo(address, target.port, timeoutMs, signal);
    } catch (error) {
      signal.throwIfAborted();
      faults.push(connectFault(parts.end, target, address, error));
    }
  }
  throw joined(faults);
}

/** Whether the target would still be allowed; for streams that run when a list changes. */
export function denialNow(
  guard: ResourceGuard,
  target: ResourceTarget,
  address: string,
): AccessDecision | null {
  const { host, port } = target;
  const decision = guard.decide({ host, port });
  return decision.allowed ? guard.denialOf({ host, port }, address) : decision;
}

/** Asks by name, resolves, asks by address. Rejects with ResourceError, or the signal's reason. */
async function findResource(
  parts: ResourceParts,
  target: ResourceTarget,
  signal: AbortSignal,
): Promise<Reachable> {
  const { host, port, connectTimeoutSeconds } = target;
  const decision = parts.guard.decide({ host, port });
  if (!decision.allowed) throw denied(parts.end, host, port, decision);
  const deadline = connectTimeoutSeconds === 0 ? null : performance.now() + connectTimeoutSeconds * 1000;
  const addresses: string[] = [];
  const faults: ResourceError[] = [];
  for (const address of await resolve(parts, target, signal)) {
    const denial = parts.guard.denialOf({ host, port }, address);
    if (denial === null) addresses.push(address);
    else faults.push(denied(parts.end, host, port, denial));
  }
  return { addresses, faults, deadline };
}

async function resolve(
  { hosts, end }: ResourceParts,
  target: ResourceTarget,
  signal: AbortSignal,
): Promise<string[]> {
  const { host, connectTimeoutSeconds } = target;
  const timeout = connectTimeoutSeconds === 0 ? null : AbortSignal.timeout(connectTimeoutSeconds * 1000);
  try {
    return await abortable(
      hosts.resolve(host),
      timeout === null ? signal : AbortSignal.any([signal, timeout]),
    );
  } catch (error) {
    signal.throwIfAborted();
    if (timeout?.aborted === true) {
      throw new ResourceError(
        ResetCode.NotResolved,
        `${end.name} could not resolve ${host} within ${connectTimeoutSeconds} s`,
        { cause: error },
      );
    }
    throw new ResourceError(
      ResetCode.NotResolved,
      `${end.name} cannot resolve ${host} (${systemCode(error) ?? errorText(error)}): ${end.nameRemedy}`,
      { cause: error },
    );
  }
}

function abortable<Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort);
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', onAbort));
}

function connectTo(
  address: string,
  port: number,
  timeoutMs: number | null,
  signal: AbortSignal,
): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connectSocket({ host: address, port, noDelay: true, keepAlive: true });
  const onAbort = (): void => reject(signal.reason);
  const timer = timeoutMs === null ? null : setTimeout(() => reject(timedOut()), Math.max(1, timeoutMs));
  signal.addEventListener('abort', onAbort);
  const onConnect = (): void => resolve(socket);
  socket.once('connect', onConnect).once('error', reject);
  return promise
    .finally(() => {
      if (timer !== null) clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.off('connect', onConnect).off('error', reject);
    })
    .catch((error: unknown) => {
      socket.on('error', () => {}).destroy();
      throw error;
    });
}

function timedOut(): Error {
  return Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' });
}

function denied(end: DialingEnd, host: string, port: number, decision: AccessDecision): ResourceError {
  const rule =
    decision.rule === null
      ? ''
      : ` (rule ${decision.rule.index + 1} of the ${decision.rule.list}: ${decision.rule.text})`;
  return new ResourceError(
    ResetCode.Denied,
    `${host}:${port} is denied at ${end.name} by ${decision.reason}${rule}`,
    { decision },
  );
}

function connectFault(
  end: DialingEnd,
  { host, port, connectTimeoutSeconds }: ResourceTarget,
  address: string,
  error: unknown,
): ResourceError {
  const what = host === address ? `${host}:${port}` : `${host}:${port} (${address})`;
  const code = systemCode(error);
  switch (code) {
    case 'ECONNREFUSED':
    case 'ECONNRESET':
      return new ResourceError(ResetCode.Refused, `${what} refused ${end.name}'s connection`, {
        cause: error,
      });
    case 'ETIMEDOUT': {
      const limit = connectTimeoutSeconds === 0 ? '' : ` within ${connectTimeoutSeconds} s`;
      return new ResourceError(ResetCode.TimedOut, `${what} did not answer ${end.name}${limit}`, {
        cause: error,
      });
    }
    case 'EMFILE':
    case 'ENFILE':
      return new ResourceError(ResetCode.Limit, `${end.name} has no file descriptors left (${code})`, {
        cause: error,
      });
    default:
      return new ResourceError(
        ResetCode.Unreachable,
        `${end.name} has no way to ${what}: ${errorText(error)}`,
        { cause: error },
      );
  }
}

/** One fault for all addresses: the code of the first that is not a denial, the texts of all. */
function joined(faults: readonly ResourceError[]): ResourceError {
  const main = faults.find(({ reset }) => reset !== ResetCode.Denied) ?? faults[0];
  if (main === undefined) return new ResourceError(ResetCode.NotResolved, 'the name has no address');
  if (faults.length === 1) return main;
  return new ResourceError(
    main.reset,
    faults
      .map(({ message }) => message)
      .join('; ')
      .slice(0, 1000),
    {
      cause: main,
      ...(main.decision === null ? {} : { decision: main.decision }),
    },
  );
}
