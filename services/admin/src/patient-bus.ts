/**
 * A bus that asks again where that is safe, so that a server of the bus, or a replica of a service, that is lost costs the
 * caller of the API a moment and not an error:
 *
 *     nobody serves the subject                    nothing was done: asked again, for three seconds
 *     no reply, or the connection was lost         it may have been done: asked again where twice is as good as once, that
 *                                                  is for questions that change nothing and changes to a given state
 *
 * What names a revision, creates, deletes or acts is never asked again: the caller is told that the outcome is in doubt.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bus } from '@postern/bus';

const nobodyMs = 3_000;
const pauseMs = 100;
/** A reply that was lost is not waited for to the end of the deadline. */
const replyMs = 2_000;

const reads = /\.(get|list|explain|verify|check|health)$/;
const sets = /\.(update|put)$/;

/** The same bus, with patience in its questions. */
export function patientBus(bus: Bus): Bus {
  return {
    get connected() {
      return bus.connected;
    },
    request: (subject, body, options) => requestPatiently(bus, subject, body, options),
    serve: (subject, handler, options) => bus.serve(subject, handler, options),
    publish: (subject, body) => bus.publish(subject, body),
    subscribe: (subject, handler) => bus.subscribe(subject, handler),
    onConnection: (handler) => bus.onConnection(handler),
    flush: (deadlineMs) => bus.flush(deadlineMs),
    close: () => bus.close(),
  };
}

const requestPatiently: (bus: Bus, ...question: Parameters<Bus['request']>) => Promise<unknown> = async (
  bus,
  subject,
  body,
  { deadlineMs, signal },
) => {
  const startedAt = performance.now();
  const isRepeatable = reads.test(subject) || (sets.test(subject) && !namesRevision(body));
  for (;;) {
    const left = deadlineMs - (performance.now() - startedAt);
    const onceMs = isRepeatable ? Math.min(left, replyMs) : left;
    try {
      return await bus.request(subject, body, {
        deadlineMs: onceMs,
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      const waitedMs = performance.now() - startedAt;
      const code = error instanceof Error && 'code' in error ? error.code : null;
      const isOnItsWay = code === 'BUS_TIMEOUT' || code === 'BUS_DISCONNECTED';
      const again = code === 'BUS_NO_RESPONDER' ? waitedMs < nobodyMs : isOnItsWay && isRepeatable;
      if (!again || waitedMs + pauseMs >= deadlineMs) throw error;
    }
    await sleep(pauseMs, undefined, signal === undefined ? {} : { signal });
  }
};

function namesRevision(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'revision' in body;
}
