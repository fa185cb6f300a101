import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Control, DialTarget } from '@postern/contracts';
import { ClientDesk, callsMax } from './client-desk.ts';
import type { Tunnel, Tunnels } from './tunnels.ts';

const what = { target: {} as DialTarget, http: null };
const full = { code: 'EDGE_QUESTIONS_FULL' };

/** A node at which each gateway has one client with some tunnels, that answers only what it is made to. */
function makeDesk(tunnelsOfEach = 1) {
  const asked: { tunnel: Tunnel; body: Control & { id: string } }[] = [];
  const byGateway = new Map<string, Tunnel[]>();
  const make = (gatewayId: string): Tunnel[] =>
    Array.from({ length: tunnelsOfEach }, (_, at) => {
      const sendControl = (body: Control & { id: string }) => asked.push({ tunnel, body });
      const common = { gatewayId, clientId: 'c', features: new Set(), usable: true, streamCount: 0 };
      const tunnel = { id: `${gatewayId}-${at}`, ...common, session: { sendControl } } as unknown as Tunnel;
      return tunnel;
    });
  const ofClient = (gatewayId: string): Tunnel[] => {
    const tunnels = byGateway.get(gatewayId) ?? make(gatewayId);
    byGateway.set(gatewayId, tunnels);
    return tunnels;
  };
  const desk = new ClientDesk({ ofClient } as unknown as Tunnels);
  const answerAll = (): void => {
    for (const { tunnel, body } of asked.splice(0)) {
      const { id } = body;
      desk.handleControl(
        tunnel,
        body.kind === 'test' ? { kind: 'tested', id, steps: [] } : { kind: 'pong', id },
      );
    }
  };
  const who = (gatewayId: string) => ({ gatewayId, clientId: 'c' });
  return { desk, who, answerAll, tunnelOf: (gatewayId: string) => ofClient(gatewayId)[0] as Tunnel };
}

it('has room for tests and pings of others, however many one gateway has whose clients are silent', async () => {
  const { desk, who, answerAll } = makeDesk();
  const own = Array.from({ length: callsMax / 2 }, () => desk.test(who('g1'), what));
  await assert.rejects(desk.test(who('g1'), what), full);
  await assert.rejects(desk.ping(who('g1')), full);
  const others = [desk.test(who('g2'), what), desk.ping(who('g2'))];
  answerAll();
  await Promise.all([...own, ...others]);
  const again = desk.test(who('g1'), what);
  answerAll();
  await again;
});

it('waits for a list that another gateway’s client takes, however many of one gateway are silent', async () => {
  const { desk, answerAll, tunnelOf } = makeDesk();
  const silent = Array.from({ length: 2_000 }, () => desk.untilTaken(tunnelOf('g1')));
  let isTaken = false;
  const taken = desk.untilTaken(tunnelOf('g2')).then(() => assert.ok(isTaken));
  await new Promise((resolve) => setImmediate(resolve));
  isTaken = true;
  answerAll();
  await Promise.all([taken, ...silent]);
});
