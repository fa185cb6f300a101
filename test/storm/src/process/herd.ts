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
/** Of one process: it shares its core with the node, and a client whose own machine is busy proves nothing. */
const underWayMax = 128;

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
  let underWay = 0;
  return async (work) => {
    if (underWay >= underWayMax) await new Promise<void>((resolve) => waiting.push(resolve));
    else underWay += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) underWay -= 1;
      else next();
    }
  };
}
