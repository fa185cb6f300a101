/**
 * Reaches one resource for one stream. What fails is thrown as a `ResourceError` that says for the caller's end what
 * happened and who decided it; none of those has let a byte of the caller through.
 *
 *     access list ─► resolve ─► access by address ─► connect ─┬─► TLS ─► socket
 *          └───────► proxy: resolve it, connect, SOCKS ───────┘
 *
 * Behind a proxy the access list is asked for the host as configured: the proxy resolves a name, so nobody here knows its
 * address; a host that is an address is asked about as one. SOCKS 4 cannot take a name: there it is resolved here, and asked about by address too. The proxy itself is
 * chosen by whoever makes the destination; an owner's list, where there is one, must allow it (`denialOfProxy`).
 */
import { type Socket, isIP } from 'node:net';
import type { AccessDecision } from '@postern/access';
import { ResetCode } from '@postern/tunnel';
import { Deadline } from './deadline.ts';
import { errorText } from './error-text.ts';
import {
  type FindingParts,
  askByName,
  askedOf,
  findResource,
  givenAddress,
  resolveName,
} from './find-resource.ts';
import { connectToFirst } from './first-address.ts';
import type { MaterialSource } from './material.ts';
import {
  type Place,
  ResourceError,
  brokenText,
  connectFault,
  deniedFault,
  joinedFault,
} from './resource-error.ts';
import { type ResourceTls, secureResource } from './resource-tls.ts';
import { type ResourceProxy, throughSocks } from './socks.ts';
import { takeStep } from './step.ts';
import { connectTcp } from './tcp.ts';

/** What is to be reached; 0 seconds wait for ever. */
export interface ResourceTarget extends Place {
  readonly tls?: ResourceTls | undefined;
  readonly proxy?: ResourceProxy | undefined;
  /** Seconds of silence after which TCP asks whether the resource is still there; 60 unless given, 0 for never. */
  readonly keepAliveSeconds?: number | undefined;
  /** True for a dial that carries no stream: its socket is read by its events, and it waits for what TLS says late. */
  readonly isTrial?: boolean | undefined;
}

/** What decides, resolves, and gives certificates. */
export interface ResourceParts extends FindingParts {
  readonly material: MaterialSource;
}

/** A resource that was reached. */
export interface Dialled {
  /** Half-open, and paused until somebody reads. */
  readonly socket: Socket;
  /** Null where a proxy resolves the name. */
  readonly address: string | null;
  /** What an error of the socket means. */
  readonly explain: (error: NodeJS.ErrnoException) => { code: ResetCode; text: string };
}

const keepAliveSecondsDefault = 60;

/** Rejects with ResourceError, or the signal's reason. */
export async function dialResource(
  parts: ResourceParts,
  target: ResourceTarget,
  signal: AbortSignal,
): Promise<Dialled> {
  const deadline = new Deadline(target.connectTimeoutSeconds);
  await askByName(parts, target);
  const { socket, address } =
    target.proxy === undefined
      ? await connectDirectly(parts, target, deadline, signal)
      : await connectByProxy(parts, target, target.proxy, deadline, signal);
  const explain = (error: NodeJS.ErrnoException): { code: ResetCode; text: string } => ({
    code: ResetCode.Cancelled,
    text: brokenText(target, error),
  });
  if (target.tls === undefined) return { socket, address, explain };
  const { tls, isTrial = false } = target;
  const secured = await secureResource(parts, { socket, target, tls, isTrial }, deadline, signal);
  return { socket: secured.socket, address, explain: (error) => secured.explain(error) ?? explain(error) };
}

/** Whether the target would still be allowed; for streams that run when a list changes. */
export function denialNow(
  { guard, hosts }: Pick<FindingParts, 'guard' | 'hosts'>,
  place: Pick<Place, 'host' | 'port' | 'somePath' | 'hosts'>,
  address: string | null,
): AccessDecision | null {
  const asked = askedOf(place);
  const decision = guard.decide(asked);
  if (!decision.allowed) return decision;
  if (address === null) return null;
  const isGiven = givenAddress({ hosts }, place) === address;
  const { port } = place;
  return (
    guard.denialOf(asked, address) ??
    (isGiven ? (guard.denialOfGiven?.({ host: address, port }) ?? null) : null)
  );
}

async function connectDirectly(
  parts: ResourceParts,
  target: ResourceTarget,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<{ socket: Socket; address: string }> {
  const { addresses, faults } = await findResource(parts, target, deadline, signal);
  return takeStep(
    parts.onStep,
    'connect',
    () => connectToAny(parts, target, { addresses, faults }, deadline, signal),
    ({ address }) => `${address}:${target.port} took the connection`,
  );
}

/** The first address that answers. */
async function connectToAny(
  { end }: Pick<ResourceParts, 'end'>,
  target: ResourceTarget,
  { addresses, faults }: { addresses: readonly string[]; faults: ResourceError[] },
  deadline: Deadline,
  signal: AbortSignal,
): Promise<{ socket: Socket; address: string }> {
  const { port, tls, proxy, keepAliveSeconds = keepAliveSecondsDefault } = target;
  const shared = tls !== undefined || proxy !== undefined || target.isTrial === true;
  const first = await connectToFirst(
    addresses,
    {
      connect: (address, own) =>
        connectTcp({ address, port, timeoutMs: deadline.leftMs, keepAliveSeconds, shared }, own),
      discard: (socket) => void socket.on('error', () => {}).destroy(),
      onFault: (address, error) => void faults.push(connectFault(end, target, address, error)),
    },
    deadline,
    signal,
  );
  if (first === null) throw joinedFault(faults);
  return { socket: first.connected, address: first.address };
}

async function connectByProxy(
  parts: ResourceParts,
  target: ResourceTarget,
  proxy: ResourceProxy,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<{ socket: Socket; address: string | null }> {
  const { host, port } = target;
  if (isIP(host) !== 0) {
    const denial = parts.guard.denialOf(askedOf(target), host);
    if (denial !== null) throw deniedFault(parts.end, { host, port }, denial);
  }
  const address = proxy.type === 'socks4' ? await findForSocks4(parts, target, deadline, signal) : null;
  const password = await passwordOf(parts, proxy, deadline, signal);
  const socket = await takeStep(
    parts.onStep,
    'proxy',
    async () => {
      const connected = await connectToProxy(parts, target, proxy, deadline, signal);
      const to = { host: address ?? target.host, port };
      return throughSocks(connected, { end: parts.end, proxy, password, to }, deadline.leftMs, signal);
    },
    () => `${proxy.host}:${proxy.port} connected to ${address ?? target.host}:${port}`,
  );
  return { socket, address };
}

async function connectToProxy(
  parts: ResourceParts,
  target: ResourceTarget,
  { host, port }: ResourceProxy,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<Socket> {
  const denial = parts.guard.denialOfProxy?.({ host, port }) ?? null;
  if (denial !== null) throw deniedFault(parts.end, { host, port }, denial);
  const way = { ...target, host, port };
  try {
    const addresses: string[] = [];
    const faults: ResourceError[] = [];
    const given = givenAddress(parts, way);
    for (const address of await resolveName(parts, way, deadline, signal)) {
      const denied =
        parts.guard.denialOfProxyAddress?.({ host, port }, address) ??
        (given === null ? null : (parts.guard.denialOfGiven?.({ host: address, port }) ?? null));
      if (denied === null) addresses.push(address);
      else faults.push(deniedFault(parts.end, { host, port }, denied));
    }
    return (await connectToAny(parts, way, { addresses, faults }, deadline, signal)).socket;
  } catch (error) {
    if (!(error instanceof ResourceError)) throw error;
    throw new ResourceError(ResetCode.ProxyFailed, `the proxy cannot be used: ${error.message}`, {
      cause: error,
    });
  }
}

/** Null where the destination has none. Rejects with ResourceError, or the signal's reason. */
async function passwordOf(
  { material }: ResourceParts,
  { host, port, username, passwordId }: ResourceProxy,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<string | null> {
  if (passwordId === undefined) return null;
  try {
    const [held] = await deadline.run(signal, (limited) => material([passwordId], limited));
    const given = held?.proxy;
    if (given?.host === host && given.port === port && given.username === username) return given.password;
    throw new Error('it was given for another proxy or user: give it again for this one');
  } catch (error) {
    signal.throwIfAborted();
    const text = `the password for the proxy ${host}:${port} is not here: ${errorText(error)}`;
    throw new ResourceError(ResetCode.ProxyFailed, text, { cause: error });
  }
}

async function findForSocks4(
  parts: ResourceParts,
  target: ResourceTarget,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<string> {
  const { addresses, faults } = await findResource(parts, target, deadline, signal);
  const address = addresses.find((one) => !one.includes(':')) ?? addresses[0];
  if (address === undefined) throw joinedFault(faults);
  return address;
}
