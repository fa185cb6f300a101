import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TunnelPresence } from '@postern/contracts';
import { ownRulesPerGatewayMax } from '@postern/replica';
import { type Logger, silentLogger } from '@postern/telemetry';
import { TunnelError } from '@postern/tunnel';
import type { VerifiedClient } from './ticket-verifier.ts';
import { Tunnel, Tunnels, rulesToldMax } from './tunnels.ts';

test('the tunnels of a client are found without a look at those of the others of its gateway', () => {
  const tunnels = new Tunnels({ tunnelUp: () => {}, tunnelDown: () => {} }, silentLogger);
  let looks = 0;
  const add = (id: string, clientId: string): Tunnel => {
    const tunnel = {
      id,
      gatewayId: 'g1',
      get clientId() {
        looks += 1;
        return clientId;
      },
      facts: { name: 'host' },
      session: { transport: 'tls' },
      presence: () => null,
      holdList: () => {},
      releaseList: () => {},
    } as unknown as Tunnel;
    tunnels.add(tunnel);
    return tunnel;
  };
  const [first, second] = [add('t1', 'c1'), add('t2', 'c1')];
  for (let index = 0; index < 100; index += 1) add(`o${index}`, `other${index}`);
  looks = 0;
  const ids = tunnels.ofClient('g1', 'c1').map(({ id }) => id);
  assert.deepEqual([ids, looks], [['t1', 't2'], 0]);
  for (const { session } of [first, second]) tunnels.remove(session, new TunnelError('TUNNEL_REFUSED', 'x'));
  assert.deepEqual(tunnels.ofClient('g1', 'c1'), []);
  assert.equal([...tunnels.of('g1')].length, 100);
});

test('a client that opens and cuts tunnels all the time fills no log, and lines of another gateway are written', () => {
  const lines: { gatewayId: string }[] = [];
  const logger = { info: (about: { gatewayId: string }) => lines.push(about) } as unknown as Logger;
  const tunnels = new Tunnels({ tunnelUp: () => {}, tunnelDown: () => {} }, logger);
  const openAndCut = (gatewayId: string): void => {
    const more = { facts: {}, session: {}, presence: () => null, holdList: () => {}, releaseList: () => {} };
    const tunnel = { id: 't', gatewayId, clientId: 'c', ...more } as unknown as Tunnel;
    tunnels.add(tunnel);
    tunnels.remove(tunnel.session, new TunnelError('TUNNEL_CLOSED', 'x'));
  };
  for (let times = 0; times < 1_000; times += 1) openAndCut('g1');
  openAndCut('g2');
  // The second may change meanwhile.
  assert.ok(lines.length <= 202, `${lines.length} lines`);
  assert.equal(lines.filter(({ gatewayId }) => gatewayId === 'g2').length, 2);
});

test('lists that a client sends one after the other are not read before one is asked for', () => {
  let reads = 0;
  const rule = (host: string) => ({
    action: 'allow' as const,
    get host() {
      reads += 1;
      return host;
    },
  });
  const client = {
    hello: { bootId: 'b', facts: {}, ownRules: [rule('a')] },
    policy: { accessListRevision: 1 },
  };
  const tunnel = new Tunnel({} as never, {} as never, 't', client as unknown as VerifiedClient);
  for (const host of ['b', 'c']) tunnel.setOwnRules([rule(host) as never]);
  assert.equal(reads, 0);
  assert.notEqual(tunnel.ownList, null);
  const readsOfOne = reads;
  assert.ok(readsOfOne > 0);
  assert.notEqual(tunnel.ownList, null);
  assert.equal(reads, readsOfOne);
});

test('clients of one gateway cannot fill a node with lists of their own, and one that several have is read once', () => {
  const tunnels = new Tunnels({ tunnelUp: () => {}, tunnelDown: () => {} }, silentLogger);
  const add = (gatewayId: string, host: string): Tunnel => {
    const rule = (_: unknown, port: number) => ({ action: 'allow' as const, host, port: String(port + 1) });
    const client = {
      gatewayId,
      clientId: host,
      hello: { bootId: 'b', facts: { name: 'n' }, ownRules: Array.from({ length: 1_000 }, rule) },
      policy: { accessListRevision: 1 },
    };
    const session = { transport: 'direct', connectedAt: new Date(), peer: {} };
    const tunnel = new Tunnel({} as never, session as never, host, client as unknown as VerifiedClient);
    tunnels.add(tunnel);
    return tunnel;
  };
  const ofRules = ({ ownList }: Tunnel) => ownList?.rules.length;
  const [first, second] = [add('g', 'h0'), add('g', 'h0')];
  assert.equal(first.ownList, second.ownList);
  for (let n = 1; n < ownRulesPerGatewayMax / 1_000; n += 1) add('g', `h${n}`);
  assert.deepEqual(
    [ofRules(first), ofRules(add('g', 'more')), ofRules(add('other', 'more'))],
    [1_000, 0, 1_000],
  );
  for (const { session } of [first, second]) tunnels.remove(session, new TunnelError('TUNNEL_REFUSED', 'x'));
  assert.equal(ofRules(add('g', 'more')), 1_000);
});

test('lists that many clients of a gateway change all the time are told a few at a time, and one of another gateway with the next', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const told: { gatewayId: string; rules: number; port: string | undefined }[] = [];
  const observer = {
    tunnelUp: ({ gatewayId, ownRules }: TunnelPresence) =>
      void told.push({ gatewayId, rules: ownRules?.length ?? 0, port: ownRules?.[0]?.port }),
    tunnelDown: () => {},
  };
  const tunnels = new Tunnels(observer, silentLogger);
  const add = (gatewayId: string, id: string): Tunnel => {
    const client = {
      gatewayId,
      clientId: id,
      hello: { bootId: 'b', facts: {}, ownRules: null },
      policy: { accessListRevision: 1 },
    };
    const session = { transport: 'direct', connectedAt: new Date(), peer: {} };
    const tunnel = new Tunnel({} as never, session as never, id, client as unknown as VerifiedClient);
    tunnels.add(tunnel);
    return tunnel;
  };
  const many = Array.from({ length: 100 }, (_, index) => add('g', `t${index}`));
  const other = add('other', 'o');
  const change = ({ session }: Tunnel, port: number): void => {
    const rules = Array.from({ length: 1_000 }, () => ({ action: 'allow', host: 'h', port: String(port) }));
    tunnels.handleControl(session, { kind: 'ownRules', rules });
  };
  const tick = (): typeof told => {
    told.length = 0;
    t.mock.timers.tick(1_000);
    return told.filter(({ gatewayId }) => gatewayId === 'g');
  };
  for (const port of [1, 2]) for (const tunnel of many) change(tunnel, port);
  change(other, 3);
  const first = tick();
  assert.equal(told.filter(({ gatewayId }) => gatewayId === 'other').length, 1);
  assert.equal(first.length, rulesToldMax / 1_000);
  assert.ok(first.every(({ rules, port }) => rules === 1_000 && port === '2'));
  let rest = 0;
  for (let now = tick(); now.length > 0; now = tick()) {
    assert.ok(now.length <= rulesToldMax / 1_000);
    rest += now.length;
  }
  assert.equal(rest, many.length - first.length);
});
