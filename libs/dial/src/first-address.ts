/**
 * Which of several addresses is connected to: the first that takes the connection. They are tried in their order, each with
 * a head start before the next is tried beside it (RFC 8305): an address that swallows packets, as of a machine that is gone
 * or a family that a firewall drops, costs a caller the head start and not a share of the time to connect. One that fails
 * has the next tried at once.
 *
 *     first ──headStartMs──► second ──headStartMs──► …      the oldest of more than atOnceMax is given up
 *       └─ connected: the others end
 */
import { type Deadline, timedOut } from './deadline.ts';

/** Node's own `autoSelectFamily` waits as long. */
const headStartMs = 250;
const atOnceMax = 4;

/** How one address is tried. */
export interface AddressTry<Connected> {
  /** Rejects when its signal ends. */
  readonly connect: (address: string, signal: AbortSignal) => Promise<Connected>;
  /** It came too late. */
  readonly discard: (connected: Connected) => void;
  readonly onFault: (address: string, error: unknown) => void;
}

/** The first address that takes the connection; null when none does. Rejects with the signal's reason. */
export async function connectToFirst<Connected>(
  addresses: readonly string[],
  tries: AddressTry<Connected>,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<{ address: string; connected: Connected } | null> {
  signal.throwIfAborted();
  const [only, ...others] = addresses;
  if (only === undefined || others.length > 0) return firstOfSeveral(addresses, tries, deadline, signal);
  // Most names have one, and each stream dials: nothing is set up beside it.
  try {
    return { address: only, connected: await tries.connect(only, signal) };
  } catch (error) {
    signal.throwIfAborted();
    tries.onFault(only, error);
    return null;
  }
}

function firstOfSeveral<Connected>(
  addresses: readonly string[],
  { connect, discard, onFault }: AddressTry<Connected>,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<{ address: string; connected: Connected } | null> {
  const { promise, resolve, reject } = Promise.withResolvers<{
    address: string;
    connected: Connected;
  } | null>();
  const running = new Set<AbortController>();
  let next = 0;
  let timer: NodeJS.Timeout | undefined;
  let over = false;
  const end = (): void => {
    over = true;
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    for (const own of running) own.abort();
  };
  const onAbort = (): void => {
    end();
    reject(signal.reason);
  };
  const run = async (address: string, own: AbortController): Promise<void> => {
    try {
      const connected = await connect(address, own.signal);
      if (over) return discard(connected);
      running.delete(own);
      end();
      resolve({ address, connected });
    } catch (error) {
      if (over) return;
      running.delete(own);
      onFault(address, error);
      // Of one that was given up the next is being tried already.
      if (!own.signal.aborted) startNext();
    }
  };
  const startNext = (): void => {
    clearTimeout(timer);
    const address = addresses[next];
    if (address === undefined) {
      if (running.size > 0) return;
      end();
      resolve(null);
      return;
    }
    next += 1;
    const [oldest] = running;
    if (oldest !== undefined && running.size >= atOnceMax) {
      running.delete(oldest);
      oldest.abort(timedOut());
    }
    const own = new AbortController();
    running.add(own);
    const waiting = addresses.length - next;
    if (waiting > 0) timer = setTimeout(startNext, Math.min(headStartMs, deadline.leftMs / (waiting + 1)));
    void run(address, own);
  };
  signal.addEventListener('abort', onAbort);
  startNext();
  return promise;
}
