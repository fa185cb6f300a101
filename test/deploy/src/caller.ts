/** A caller that connects, sends a line, and wants it back; and deadlines that a slow machine may have longer. */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const tryWithinMs = 500;
/** How many times as long deadlines are on a slow machine. */
export const patience = Math.max(1, Number(process.env['POSTERN_TEST_PATIENCE'] ?? 1) || 1);

/** Where to call. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Whether one connection there brought a line back, or with `connectOnly` was taken at all. */
export function echoed(
  { host, port }: Address,
  options: { connectOnly?: boolean; withinMs?: number } = {},
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true });
    const end = (good: boolean): void => {
      socket.destroy();
      resolve(good);
    };
    socket.setTimeout(options.withinMs ?? tryWithinMs, () => end(false));
    socket.on('error', () => end(false));
    socket.on('close', () => resolve(false));
    socket.on('connect', () =>
      options.connectOnly === true ? end(true) : socket.write('is anybody there?\n'),
    );
    let received = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      received += text;
      if (received === 'is anybody there?\n') end(true);
    });
  });
}

/** Asks until the answer is neither null nor false. */
export async function until<T>(
  what: string,
  promisedMs: number,
  ask: () => Promise<T | null | false>,
): Promise<T> {
  const deadline = performance.now() + promisedMs * patience;
  for (;;) {
    const answer = await ask();
    if (answer !== null && answer !== false) return answer;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${promisedMs * patience} ms`);
    await delay(10);
  }
}

/** The time that something took. */
export async function timed(awaited: Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await awaited;
  return performance.now() - startedAt;
}
