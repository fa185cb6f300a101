/**
 * A bus that asks again where that is safe, so that a server of the bus, or a replica of a service, that is lost costs the
 * caller of the API a moment and not an error:
 *
 *     nobody serves the subject                    nothing was done: asked again, for three seconds
 *     no reply, or the connection was lost         it may have been done: asked again where twice is as good as once, that
 *                                                  is for questions that change nothing and changes to a given state. The
 *                                                  reply to the first is still taken: a service whose database is out of
 *                                                  reach says so late
 *
 * What names a revision, creates, deletes or acts is never asked again: the caller is told that the outcome is in doubt.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bus } from '@postern/bus';

const nobodyMs = 3_000;
const pauseMs = 100;
/** So long without a reply it may be lost, and is asked for again; but it may still come. */
const lostMs = 2_000;

/** The check of a restore reads the whole of it: once is enough. */
const reads = /(?<!\.restore)\.(get|list|explain|verify|check|health)$/;
const sets = /\.(update|put)$/;

/** The same bus, with patience in its questions. `lostAfterMs`: how long a reply may take before it is asked for again. */
export function patientBus(bus: Bus, lostAfterMs: number = lostMs): Bus {
  return {
    get connected() {
      return bus.connected;
    },
    request: (subject, body, options) => requestPatiently(bus, lostAfterMs, subject, body, options),
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
  lostAfterMs: number,
  ...[subject, body, { deadlineMs, signal }]: Parameters<Bus['request']>
): Promise<unknown> {
  const startedAt = performance.now();
  const isRepeatable = reads.test(subject) || (sets.test(subject) && !namesRevision(body));
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
      if (!again || waitedMs + pauseMs >= deadlineMs) throw error;
    }
    await sleep(pauseMs, undefined, signal === undefined ? {} : { signal });
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

function namesRevision(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'revision' in body;
}
