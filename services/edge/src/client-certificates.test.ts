import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Control } from '@postern/contracts';
import { LineLimit, type Logger } from '@postern/telemetry';
import { ClientCertificates } from './client-certificates.ts';
import type { Tunnel } from './tunnels.ts';

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
  const ask = () =>
    certificates.handleWanted(tunnel, {
      kind: 'materialWanted',
      ids: ['one'],
      sealingKey: { kty: 'OKP', crv: 'X25519', x: 'A'.repeat(43) },
      signature: '',
    });
  for (let asked = 0; asked < 5; asked += 1) await ask();
  assert.equal(answers.length, 5);
  assert.equal(lines.length, 2);
  now = 1_000;
  await ask();
  assert.equal(lines.at(-1)?.leftOut, 3);
});
