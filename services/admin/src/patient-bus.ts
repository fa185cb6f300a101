/**
 * A bus that asks again where that is safe, so that a server of the bus, or a replica of a service, that is lost costs the
 * caller of the API a moment and not an error:
 *
 *     nobody serves the subject                    nothing was done: asked again, for three seconds
 *     no reply, or the connection was lost         it may have been done, or be done yet: asked again where that changes
 *                                                  nothing. The reply to the first is still taken: a service whose
 *                                                  database is out of reach says so late
 *
 * Of itself it repeats reads alone. What creates, deletes, acts, or is held to the caller's revision is never asked again: he
 * is told that the outcome is in doubt. A change to a given state is repeated by `change.ts`, which has it made of one
 * revision, so that the one that comes late is refused: without that it would undo what was changed meanwhile.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bus, BusError } from '@postern/bus';

const nobodyMs = 3_000;
const pauseMs = 100;
/** So long without a reply it may be lost, and is asked for again; but it may still come. */
const lostMs = 2_000;

/** The check of a restore reads the whole of it: once is enough. */
const reads = /(?<!\.restore)\.(get|list|explain|verify|check|health)$/;

/** How patient. */
export interface Patience {
  /** How long a reply may take before it is asked for again. */
  readonly lostAfterMs?: number | undefined;
  /** Whether a question may be asked again that may have been done; reads alone unless given. */
  readonly repeats?: (subject: string) => boolean;
}

/** The same bus, with patience in its questions. */
export function patientBus(bus: Bus, patience: Patience = {}): Bus {
  return {
    get connected() {
      return bus.connected;
    },
    request: (subject, body, options) => requestPatiently(bus, patience, subject, body, options),
    serve: (subject, handler, options) => bus.serve(subject, handler, options),
    publish: (subject, body) => bus.publish(subject, body),
    subscribe: (subject, handler) => bus.subscribe(subject, handler),
    onConnection: (handler) => bus.onConnection(handler),
    flush: (deadlineMs) => bus.flush(deadlineMs),
    close: () => bus.close(),
  };
}

async function requestPatiently(
  bus: Bus,
  { lostAfterMs = lostMs, repeats = (subject) => reads.test(subject) }: Patience,
  ...[subject, body, { deadlineMs, signal }]: Parameters<Bus['request']>
): Promise<unknown> {
  const startedAt = performance.now();
  const isRepeatable = repeats(subject);
  const ask: Ask = (leftMs) =>
    bus.request(subject, body, { deadlineMs: leftMs, ...(signal === undefined ? {} : { signal }) });
  for (;;) {
    const leftMs = deadlineMs - (performance.now() - startedAt);
    try {
      return await (isRepeatable ? askBeside(ask, leftMs, lostAfterMs) : ask(leftMs));
    } catch (error) {
      const waitedMs = performance.now() - startedAt;
      const code = error instanceof Error && 'code' in error ? error.code : null;
      const isOnItsWay = code === 'BUS_TIMEOUT' || code === 'BUS_DISCONNECTED';
      const again = code === 'BUS_NO_RESPONDER' ? waitedMs < nobodyMs : isOnItsWay && isRepeatable;
      if (again && waitedMs + pauseMs < deadlineMs) {
        await sleep(pauseMs, undefined, signal === undefined ? {} : { signal });
        continue;
      }
      if (code !== 'BUS_TIMEOUT') throw error;
      // Of itself it tells how long the last try took.
      const message = `no reply from ${subject} within ${Math.round(deadlineMs)} ms`;
      throw new BusError('BUS_TIMEOUT', message, { cause: error });
    }
  }
}

type Ask = (leftMs: number) => Promise<unknown>;

/** Asks, and where no reply comes asks once more beside it; the first reply counts. */
async function askBeside(ask: Ask, leftMs: number, lostAfterMs: number): Promise<unknown> {
  const first = ask(leftMs);
  if (leftMs <= lostAfterMs) return first;
  const over = new AbortController();
  first.catch(() => over.abort());
  const second = sleep(lostAfterMs, undefined, { signal: over.signal }).then(() => ask(leftMs - lostAfterMs));
  try {
    return await Promise.any([first, second]);
  } catch {
    return await first;
  } finally {
    over.abort();
  }
}
