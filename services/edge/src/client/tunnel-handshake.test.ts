import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { NodeHello } from '@postern/contracts';
import { LineLimit, silentLogger } from '@postern/telemetry';
import { Endpoint, type Session, memoryCarrierPair } from '@postern/tunnel';
import { EdgeError } from '../errors.ts';
import { policyOf } from '../fixture/documents.ts';
import type { TicketVerifier, VerifiedClient } from './ticket-verifier.ts';
import { type TunnelHandshakeParts, acceptTunnel } from './tunnel-handshake.ts';

const client = {
  gatewayId: 'g1',
  clientId: 'c1',
  tokenId: null,
  hello: { protocol: [1], bootId: 'boot-one', ownRules: null, facts: {} },
  policy: policyOf(),
} as unknown as VerifiedClient;

/** A node that verifies nothing, unless `change` says otherwise, and who dials it. */
function setUp(t: TestContext, change: Partial<TunnelHandshakeParts> = {}) {
  const endpoint = new Endpoint({ self: { id: 'edge-1', bootId: 'boot-of-edge' } });
  const dialling = new Endpoint({ self: { id: 'c1', bootId: 'boot-one' } });
  t.after(() => {
    dialling.close();
    endpoint.close();
  });
  const failures: string[] = [];
  let up = 0;
  const parts: TunnelHandshakeParts = {
    node: 'edge-1',
    bootId: 'boot-of-edge',
    endpoint,
    verifier: { verify: async () => client } as unknown as TicketVerifier,
    logger: silentLogger,
    lines: new LineLimit(100),
    whyClosed: () => null,
    whyFull: () => null,
    onTunnel: () => (up += 1),
    onFailure: (code) => failures.push(code),
    ...change,
  };
  const nonces: string[] = [];
  const dial = () => {
    const [near, far] = memoryCarrierPair();
    const accepted = acceptTunnel(parts, far);
    const connected: Promise<Session> = dialling.connect(near, {
      answer: async (hello) => {
        nonces.push((hello as NodeHello).nonce);
        return {};
      },
      welcome: () => ({ scope: 'g1', id: 'edge-1', bootId: 'boot-of-edge', trusted: true }),
    });
    connected.catch(() => {});
    return { accepted, connected };
  };
  return { dial, failures, nonces, endpoint, up: () => up };
}

const full = () => new EdgeError('EDGE_TUNNELS_FULL', 'no place');

test('each handshake has a nonce of its own, so that no proof counts twice', async (t) => {
  const { dial, nonces } = setUp(t);
  for (let times = 0; times < 3; times += 1) assert.notEqual(await dial().accepted, null);
  assert.equal(new Set(nonces).size, 3);
  for (const nonce of nonces) assert.equal(Buffer.from(nonce, 'base64url').length, 24);
});

test('a node that takes no tunnels says so before it looks at a ticket', async (t) => {
  const verify = t.mock.fn();
  const closed = new EdgeError('EDGE_DRAINING', 'this node is stopping');
  const { dial, failures } = setUp(t, {
    verifier: { verify } as unknown as TicketVerifier,
    whyClosed: () => closed,
  });
  const { accepted, connected } = dial();
  assert.equal(await accepted, null);
  await assert.rejects(connected, { detail: 'EDGE_DRAINING' });
  assert.deepEqual([verify.mock.callCount(), failures], [0, ['EDGE_DRAINING']]);
});

test('of handshakes that end in one turn no more become tunnels than there are places', async (t) => {
  const verified = Promise.withResolvers<VerifiedClient>();
  let asking = 0;
  const all = Promise.withResolvers<void>();
  const verifier = {
    verify: () => {
      asking += 1;
      if (asking === 3) all.resolve();
      return verified.promise;
    },
  } as unknown as TicketVerifier;
  const node = setUp(t, { verifier, whyFull: () => (node.up() > 0 ? full() : null) });
  const dialled = [1, 2, 3].map(() => node.dial());
  await all.promise;
  verified.resolve(client);
  const tunnels = await Promise.all(dialled.map(({ accepted }) => accepted));
  assert.equal(tunnels.filter((tunnel) => tunnel !== null).length, 1);
  assert.equal(node.up(), 1);
  assert.deepEqual(node.failures, ['EDGE_TUNNELS_FULL', 'EDGE_TUNNELS_FULL']);
  assert.equal([...node.endpoint.sessions].filter(({ closed }) => !closed).length, 1);
});

test('a client that has gone during its handshake has no tunnel', async (t) => {
  const verified = Promise.withResolvers<VerifiedClient>();
  const asked = Promise.withResolvers<void>();
  const verifier = {
    verify: () => {
      asked.resolve();
      return verified.promise;
    },
  } as unknown as TicketVerifier;
  const { dial, up, endpoint } = setUp(t, { verifier });
  const { accepted } = dial();
  await asked.promise;
  endpoint.close();
  verified.resolve(client);
  assert.equal(await accepted, null);
  assert.equal(up(), 0);
});

test('a client that goes in the moment in which it is welcomed has no tunnel', async (t) => {
  for (let turns = 0; turns < 16; turns += 1) {
    const verified = Promise.withResolvers<VerifiedClient>();
    const asked = Promise.withResolvers<void>();
    const verify = () => {
      asked.resolve();
      return verified.promise;
    };
    const wereClosed: boolean[] = [];
    const { dial, endpoint } = setUp(t, {
      verifier: { verify } as unknown as TicketVerifier,
      onTunnel: ({ session }) => wereClosed.push(session.closed),
    });
    const { accepted } = dial();
    await asked.promise;
    verified.resolve(client);
    for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
    endpoint.close();
    await accepted;
    assert.ok(!wereClosed.includes(true), `after ${turns} turns`);
  }
});
