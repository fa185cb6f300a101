import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Control, certificateReferencesMax } from '@postern/contracts';
import { LineLimit, type Logger, silentLogger } from '@postern/telemetry';
import {
  ClientCertificates,
  type ClientCertificatesParts,
  questionsPerGatewayMax,
  questionsPerTunnelMax,
} from './client-certificates.ts';
import { frontOf, resourceOf, routeOf } from '../fixture/documents.ts';
import type { Tunnel } from './tunnels.ts';

const wanted: Extract<Control, { kind: 'materialWanted' }> = {
  kind: 'materialWanted',
  ids: ['one'],
  sealingKey: { kty: 'OKP', crv: 'X25519', x: 'A'.repeat(43) },
  signature: '',
};

test('each question that is refused is answered, and the log has no more lines of them than a second may', async () => {
  const lines: { leftOut?: number }[] = [];
  let now = 0;
  const certificates = new ClientCertificates({
    desk: { forClient: () => Promise.reject(new Error('certstore is away')) },
    revision: () => undefined,
    tunnels: () => [],
    logger: { warn: (about: object) => lines.push(about) } as unknown as Logger,
    lines: new LineLimit(2, () => now),
  });
  const answers: Control[] = [];
  const session = { closed: false, sendControl: (body: Control) => answers.push(body) };
  const tunnel = { gatewayId: 'g1', clientId: 'c', session } as unknown as Tunnel;
  const ask = () => certificates.handleWanted(tunnel, wanted);
  for (let asked = 0; asked < 5; asked += 1) await ask();
  assert.equal(answers.length, 5);
  assert.equal(lines.length, 2);
  now = 1_000;
  await ask();
  assert.equal(lines.at(-1)?.leftOut, 3);
});

test('of all clients of a gateway no more questions are under way than it may have, and another gateway’s do not wait', async () => {
  const asked: { gatewayId: string; answer: () => void }[] = [];
  const certificates = new ClientCertificates({
    desk: {
      forClient: ({ gatewayId }) =>
        new Promise((resolve) => {
          asked.push({ gatewayId, answer: () => resolve({ items: [], refused: [] }) });
        }),
    },
    revision: () => undefined,
    tunnels: () => [],
    logger: silentLogger,
    lines: new LineLimit(2),
  });
  const tunnelOf = (gatewayId: string): Tunnel =>
    ({ gatewayId, clientId: 'c', session: { closed: false } }) as unknown as Tunnel;
  const ofOne = Array.from({ length: 3 * questionsPerGatewayMax }, () =>
    certificates.handleWanted(tunnelOf('g1'), wanted),
  );
  const ofOther = certificates.handleWanted(tunnelOf('g2'), wanted);
  const ofGateway = (gatewayId: string) => asked.filter((question) => question.gatewayId === gatewayId);
  assert.deepEqual([ofGateway('g1').length, ofGateway('g2').length], [questionsPerGatewayMax, 1]);
  ofGateway('g2')[0]?.answer();
  await ofOther;
  for (let answered = 1; answered <= ofOne.length; answered += 1) {
    ofGateway('g1')[answered - 1]?.answer();
    await new Promise(setImmediate);
    assert.equal(ofGateway('g1').length, Math.min(answered + questionsPerGatewayMax, ofOne.length));
  }
  await Promise.all(ofOne);
});

test('a client that comes back when nothing is needed any more is told so, and keeps no keys of before', () => {
  const told: Control[] = [];
  const session = { closed: false, sendControl: (body: Control) => told.push(body) };
  const certificates = new ClientCertificates({
    desk: { forClient: () => Promise.reject(new Error('nobody asks')) },
    revision: () => 1,
    tunnels: () => [],
    logger: silentLogger,
    lines: new LineLimit(2),
  });
  certificates.handleTunnel({ gatewayId: 'g1', clientId: 'c', session } as unknown as Tunnel);
  assert.deepEqual(told, [{ kind: 'certificates', items: [], whole: true }]);
});

/** A client of each of two gateways, what it was sent, and a node's certificates for them. */
function clients(change: Partial<ClientCertificatesParts> = {}) {
  const told: Record<'g1' | 'g2', Control[]> = { g1: [], g2: [] };
  const tunnelOf = (gatewayId: 'g1' | 'g2') => {
    const session = { closed: false, sendControl: (body: Control) => told[gatewayId].push(body) };
    return { gatewayId, clientId: 'c', session } as unknown as Tunnel & { session: { closed: boolean } };
  };
  const tunnels = { g1: tunnelOf('g1'), g2: tunnelOf('g2') };
  const certificates = new ClientCertificates({
    desk: { forClient: () => Promise.reject(new Error('nobody asks')) },
    revision: (id) => (id === 'unknown' ? undefined : 7),
    tunnels: (gatewayId) => [tunnels[gatewayId as 'g1']],
    logger: silentLogger,
    lines: new LineLimit(2),
    ...change,
  });
  /** What was said since the last time. */
  const heard = async (): Promise<typeof told> => {
    await new Promise(setImmediate);
    return { g1: told.g1.splice(0), g2: told.g2.splice(0) };
  };
  return { certificates, tunnels, heard };
}

/** A destination whose resource is verified by these, by who dials it. */
function verifying(caCertificateIds: string[], kind: 'on-premises' | 'cloud' = 'on-premises') {
  const { tls } = resourceOf();
  const front = frontOf({ tls: { ...frontOf().tls, mode: 'server', certificateId: 'of-the-node' } });
  return routeOf({
    kind: kind as 'on-premises',
    front,
    resource: resourceOf({ tls: { ...tls, caCertificateIds } }),
  });
}

const list = (ids: string[], whole = true) => [
  { kind: 'certificates', items: ids.map((id) => ({ id, revision: 7 })), whole },
];

test('the clients of a gateway hear once a turn what its destinations name at them, and nothing of other gateways or of nodes', async () => {
  const { certificates, tunnels, heard } = clients();
  certificates.handleRoute('d1', 'g1', verifying(['one', 'two']));
  certificates.handleRoute('d2', 'g1', verifying(['one']));
  certificates.handleRoute('d3', 'g2', verifying(['three']));
  certificates.handleRoute('d4', 'g2', verifying(['four'], 'cloud'));
  assert.deepEqual(await heard(), { g1: list(['one', 'two']), g2: list(['three']) });
  certificates.handleTunnel(tunnels.g1);
  assert.deepEqual(await heard(), { g1: list(['one', 'two']), g2: [] });
  certificates.handleRevision('three');
  assert.deepEqual(await heard(), { g1: [], g2: list(['three']) });

  certificates.handleRoute('d1', 'g1', undefined);
  assert.deepEqual(await heard(), { g1: list(['one']), g2: [] });
  certificates.handleRoute('d2', 'g1', verifying(['two']));
  assert.deepEqual(await heard(), { g1: list(['two']), g2: [] });
  certificates.handleRoute('d2', 'g1', undefined);
  assert.deepEqual(await heard(), { g1: list([]), g2: [] });
  certificates.handleRoute('d2', 'g1', undefined);
  for (const id of ['one', 'two', 'of-the-node']) certificates.handleRevision(id);
  assert.deepEqual(await heard(), { g1: [], g2: [] });
});

test('a list that lacks what certstore does not have yet, or is too long, says that it is not whole', async () => {
  const { certificates, heard } = clients();
  const many = Array.from({ length: certificateReferencesMax + 1 }, (_, index) => `c${index}`);
  certificates.handleRoute('d1', 'g1', verifying(['unknown', 'one']));
  certificates.handleRoute('d2', 'g2', verifying(many));
  assert.deepEqual(await heard(), { g1: list(['one'], false), g2: list(many.slice(0, -1), false) });
});

test('a client is sent what it asked for and what is refused, and one that has gone meanwhile nothing', async () => {
  const item = { id: 'one', revision: 7, sealed: 's', signature: 's', signerPem: 'p' };
  const refusal = { id: 'two', code: 'CERTSTORE_NOT_NEEDED', message: 'm' };
  let answered = 0;
  const forClient = async () => {
    answered += 1;
    return { items: [item], refused: [refusal] };
  };
  const { certificates, tunnels, heard } = clients({ desk: { forClient } });
  await certificates.handleWanted(tunnels.g1, wanted);
  const sent = [
    { kind: 'material', ...item },
    { kind: 'materialRefused', ...refusal },
  ];
  assert.deepEqual(await heard(), { g1: sent, g2: [] });
  const asking = certificates.handleWanted(tunnels.g1, wanted);
  tunnels.g1.session.closed = true;
  await asking;
  await certificates.handleWanted(tunnels.g1, wanted);
  assert.deepEqual([answered, await heard()], [2, { g1: [], g2: [] }]);
});

test('a client has so many questions under way at most, and is told of what is more that the node is busy', async () => {
  const { promise, resolve } = Promise.withResolvers<{ items: []; refused: [] }>();
  const { certificates, tunnels, heard } = clients({ desk: { forClient: () => promise } });
  const asked = Array.from({ length: questionsPerTunnelMax + 1 }, () =>
    certificates.handleWanted(tunnels.g1, wanted),
  );
  const { g1 } = await heard();
  assert.deepEqual(
    g1.map((said) => (said.kind === 'materialRefused' ? [said.id, said.code] : said)),
    [['one', 'EDGE_MATERIAL_BUSY']],
  );
  resolve({ items: [], refused: [] });
  await Promise.all(asked);
  await certificates.handleWanted(tunnels.g1, wanted);
  assert.deepEqual((await heard()).g1, []);
});
