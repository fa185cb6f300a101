import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TunnelPresence } from '@postern/contracts';
import { LineLimit, silentLogger } from '@postern/telemetry';
import type { Stream } from '@postern/tunnel';
import type { Tunnel } from './client/tunnels.ts';
import type { CallerCause } from './errors.ts';
import { policyOf } from './fixture/documents.ts';
import { Guard, type GuardParts } from './guard.ts';

test('waits for the clients of the gateway that was changed, whoever is silent behind another', async () => {
  const sent: unknown[] = [];
  const accessListSent = { epoch: 'e1', revision: 1 };
  const session = { sendControl: (body: unknown) => sent.push(body) };
  const tunnel = { gatewayId: 'g1', clientId: 'c1', tokenId: 't1', accessListSent, session };
  const taken = Promise.withResolvers<void>();
  const guard = new Guard({
    tunnels: { of: () => [tunnel] },
    callers: { judgeAgain: () => {} },
    cloudStreams: { judgeAgain: () => {} },
    relays: { clientsElsewhere: () => [] },
    policy: () => policyOf({ accessListRevision: 2 }),
    epoch: () => 'e1',
    untilTaken: () => taken.promise,
  } as unknown as GuardParts);
  guard.handlePolicy('g1');
  assert.equal(sent.length, 1);
  await guard.listsTaken('g2');
  await guard.listsTaken(null);
  let isTaken = false;
  const own = guard.listsTaken('g1').then(() => assert.ok(isTaken));
  const all = guard.listsTaken(undefined).then(() => assert.ok(isTaken));
  await new Promise((resolve) => setImmediate(resolve));
  isTaken = true;
  taken.resolve();
  await Promise.all([own, all]);
});

test('a tunnel whose token was revoked during its handshake is closed, and carries nothing', () => {
  const calls: string[] = [];
  const tunnel = {
    gatewayId: 'g1',
    clientId: 'c1',
    tokenId: 't1',
    retire: () => calls.push('retire'),
    close: ({ code }: { code: string }) => calls.push(code),
  } as unknown as Tunnel;
  const end = (_gatewayId: string, _clientId: string, { code }: CallerCause) => calls.push(`end ${code}`);
  const guard = new Guard({
    tunnels: { ofClient: () => [] },
    callers: { end },
    cloudStreams: { end },
    relays: { hasValidElsewhere: () => false },
    resetRelayed: () => calls.push('reset relayed'),
    policy: () => policyOf({ revokedTokens: [{ tokenId: 't1', revokedAt: '2026-01-01T00:00:00Z' }] }),
    logger: silentLogger,
  } as unknown as GuardParts);
  guard.handleTunnel(tunnel);
  const ended = 'end EDGE_TOKEN_REVOKED';
  assert.deepEqual(calls, ['retire', ended, ended, 'reset relayed', 'EDGE_TOKEN_REVOKED']);
});

/** A guard of a node that has streams of one client, whose tunnels end at other nodes; says with which codes they are ended. */
function guardOf(tokens: (string | null)[], revoked: string[]): { guard: Guard; ended: string[] } {
  const ended: string[] = [];
  const end = (_gatewayId: string, clientId: string, { code }: CallerCause) =>
    ended.push(`${clientId} ${code}`);
  const guard = new Guard({
    tunnels: { of: () => [], ofClient: () => [] },
    callers: { judgeAgain: () => {}, end, endFormerBoot: () => ended.push('former boot') },
    cloudStreams: { judgeAgain: () => {}, end: () => {}, endFormerBoot: () => {} },
    relays: { clientsElsewhere: () => ['c1'], tokensOf: () => tokens },
    streamCountOf: (_gatewayId: string, clientId: string) => (clientId === 'c1' ? 1 : 0),
    policy: () => policyOf({ revokedTokens: revoked.map((tokenId) => ({ tokenId, revokedAt: '' })) }),
    logger: silentLogger,
  } as unknown as GuardParts);
  return { guard, ended };
}

test('streams by another node, which has not heard of it, end when no tunnel of their client is by a valid token', () => {
  const cases: [tokens: (string | null)[], revoked: string[], ended: string[]][] = [
    [['t1'], ['t1'], ['c1 EDGE_TOKEN_REVOKED']],
    [['t1', 't2'], ['t1', 't2'], ['c1 EDGE_TOKEN_REVOKED']],
    [['t1', 't2'], ['t1'], []],
    [['t1', null], ['t1'], ['c1 EDGE_TOKEN_REVOKED']],
    [['t1'], [], []],
    // Its tunnels are gone: it has a minute for another, which is looked at when it comes.
    [[], ['t1'], []],
  ];
  for (const [tokens, revoked, expected] of cases) {
    const { guard, ended } = guardOf(tokens, revoked);
    guard.handlePolicy('g1');
    assert.deepEqual(ended, expected, `${tokens.join()} without ${revoked.join()}`);
  }
});

test('a tunnel by a revoked token that comes up elsewhere carries nothing of here, and takes no other start’s place', () => {
  const comes = { gatewayId: 'g1', clientId: 'c1', bootId: 'b2', tokenId: 't1', connectedAt: '2026-01-01' };
  const revoked = guardOf(['t1'], ['t1']);
  revoked.guard.handleTunnelElsewhere(comes as TunnelPresence);
  assert.deepEqual(revoked.ended, ['c1 EDGE_TOKEN_REVOKED']);
  const beside = guardOf(['t1', 't2'], ['t1']);
  beside.guard.handleTunnelElsewhere(comes as TunnelPresence);
  assert.deepEqual(beside.ended, []);
});

test('what a client opens here by another node, which has not heard that its token is revoked, ends', () => {
  const stream = { scope: 'g1', peer: { id: 'c1' } } as Stream;
  for (const [tokens, ended] of [
    [['t1'], ['c1 EDGE_TOKEN_REVOKED']],
    [['t1', 't2'], []],
  ] as const) {
    const here = guardOf([...tokens], ['t1']);
    here.guard.handleRelayed(stream);
    assert.deepEqual(here.ended, ended);
  }
});

test('a tunnel that comes up elsewhere has the streams looked through only of a client that has some here', (t) => {
  const looked = t.mock.fn();
  const guard = new Guard({
    tunnels: { ofClient: () => [] },
    callers: { endFormerBoot: looked },
    cloudStreams: { endFormerBoot: looked },
    policy: () => policyOf({}),
    streamCountOf: (gatewayId: string, clientId: string) => (`${gatewayId}/${clientId}` === 'g/c7' ? 1 : 0),
  } as unknown as GuardParts);
  const connectedAt = new Date(0).toISOString();
  for (let n = 0; n < 1_000; n += 1) {
    const tunnel = { gatewayId: 'g', clientId: `c${n}`, bootId: 'b', connectedAt };
    guard.handleTunnelElsewhere(tunnel as TunnelPresence);
  }
  const those = ['g', 'c7', 'b'];
  assert.deepEqual(
    looked.mock.calls.map((call) => call.arguments),
    [those, those],
  );
});

test('two programs with the identity of one client are counted, by gateway, and a start that takes another’s place is not', () => {
  const { guard, comes } = guardOfOneClient();
  for (const boot of ['first', 'second', 'third']) comes(boot);
  assert.deepEqual([...guard.identityConflicts], []);
  for (const boot of ['second', 'third']) comes(boot);
  assert.deepEqual([...guard.identityConflicts], [['g1', 2]]);
});

test('a client whose starts end each other’s tunnels on and on has its lines in a second, and a count of the rest', () => {
  const { comes, lines } = guardOfOneClient(3);
  for (let n = 0; n < 100; n += 1) for (const boot of ['first', 'second']) comes(boot);
  assert.equal(lines.length, 3);
});

/** A guard of a node whose one client starts again and again, and what it wrote into the log of at most `linesMax` lines. */
function guardOfOneClient(linesMax = Infinity): {
  guard: Guard;
  comes: (bootId: string) => void;
  lines: string[];
} {
  const lines: string[] = [];
  const write = (_about: object, text: string): void => void lines.push(text);
  const limit = new LineLimit(linesMax, () => 0);
  let present: Tunnel[] = [];
  const guard = new Guard({
    tunnels: { ofClient: () => present, linesOf: () => limit },
    policy: () => policyOf({}),
    logger: { ...silentLogger, info: write, warn: write },
  } as unknown as GuardParts);
  const comes = (bootId: string): void => {
    const about = { gatewayId: 'g1', clientId: 'c1', bootId, retire: () => {}, close: () => {} };
    const tunnel = about as unknown as Tunnel;
    present = [...present.slice(-1), tunnel];
    guard.handleTunnel(tunnel);
  };
  return { guard, comes, lines };
}
