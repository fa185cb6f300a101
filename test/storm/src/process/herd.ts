/**
 * A process full of clients. Its parent sends what to be by the channel, and is told ten times a second how many tunnels
 * are up and what failed since the last word. It ends with its parent.
 */
import process from 'node:process';
import { Dialer, Hosts, fixedCa, proxyChooser } from '@postern/client/internal';
import { Endpoint, type Session } from '@postern/tunnel';
import { StormClient } from '../client.ts';
import type { HerdOrder, HerdWord } from '../herd.ts';

const tellEveryMs = 100;
/**
 * Calls and dials of one process at once, and with fewer it goes on while it is late itself: it shares its core with the
 * node, and a client that runs out of time because its own machine is busy proves nothing.
 */
const underWay = { min: 8, max: 128 } as const;
const tickMs = 50;
/** What a late tick leaves of the number at once, and what each other one adds. */
const lateFactor = 0.5;
const recoveredStep = 2;

process.once('message', (order: HerdOrder) => run(order));
process.once('disconnect', () => process.exit(0));

function run({ gatewayId, token, connectUrl, caPem, clients }: HerdOrder): void {
  const failures = new Map<string, number>();
  const holders = new Map<Session, StormClient>();
  let lost = 0;
  const endpoint = new Endpoint({
    self: { id: 'storm', bootId: 'storm' },
    onSessionClose: (session) => {
      const client = holders.get(session);
      holders.delete(session);
      if (client !== undefined) lost += 1;
      client?.handleClose();
    },
  });
  const chooseProxy = proxyChooser(null, {});
  const dialer = new Dialer({
    connectUrl: new URL(connectUrl),
    ca: fixedCa(caPem),
    chooseProxy,
    hosts: new Hosts({}),
  });
  const parts = {
    gatewayId,
    token,
    dialer,
    endpoint,
    inTurn: makeTurns(),
    onFailure: (cause: string) => void failures.set(cause, (failures.get(cause) ?? 0) + 1),
    onUp: (session: Session, client: StormClient) => void holders.set(session, client),
  };
  for (let count = 0; count < clients; count += 1) new StormClient(parts).start();
  setInterval(() => {
    const { user, system } = process.cpuUsage();
    const counts = { up: holders.size, lost, failures: Object.fromEntries(failures) };
    const word: HerdWord = { ...counts, seconds: (user + system) / 1e6 };
    failures.clear();
    lost = 0;
    process.send?.(word);
  }, tellEveryMs);
}

function makeTurns(): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  let atOnce: number = underWay.max;
  const startNext = (): void => {
    while (running < atOnce && waiting.length > 0) {
      running += 1;
      waiting.shift()?.();
    }
  };
  let tickedAt = performance.now();
  setInterval(() => {
    const isLate = performance.now() - tickedAt >= 2 * tickMs;
    tickedAt = performance.now();
    atOnce = isLate
      ? Math.max(underWay.min, Math.floor(atOnce * lateFactor))
      : Math.min(underWay.max, atOnce + recoveredStep);
    startNext();
  }, tickMs);
  return async (work) => {
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
      startNext();
    });
    try {
      return await work();
    } finally {
      running -= 1;
      startNext();
    }
  };
}
