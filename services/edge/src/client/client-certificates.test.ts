import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Control } from '@postern/contracts';
import { LineLimit, type Logger, silentLogger } from '@postern/telemetry';
import { ClientCertificates, questionsPerGatewayMax } from './client-certificates.ts';
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
