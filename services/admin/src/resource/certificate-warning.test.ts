import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryBus } from '@postern/bus';
import { type Destination, answer, checkCertificates } from '@postern/contracts';
import { certificateWarnings } from './certificate-warning.ts';

function naming(...caCertificateIds: string[]): Destination {
  const tls = {
    mode: 'tls',
    serverName: null,
    caCertificateIds,
    clientCertificateId: null,
    rejectUnauthorized: true,
  };
  return { kind: 'on-premises', resource: { tls } } as unknown as Destination;
}

describe('what is said of the certificates that destinations name', () => {
  it('is told at the destination and the field, in questions of a bounded size', async () => {
    const bus = memoryBus();
    const sizes: number[] = [];
    answer(bus, checkCertificates, ({ uses }) => {
      sizes.push(uses.length);
      const of = (id: string, code: string) =>
        uses.filter((use) => use.id === id).map(({ field: path }) => ({ path, code, message: id }));
      return {
        faults: of('gone', 'CERTSTORE_CERTIFICATE_NOT_FOUND'),
        warnings: of('old', 'CERTSTORE_EXPIRED'),
      };
    });
    const many = Array.from({ length: 40 }, () => naming('fine', 'fine'));
    const warnings = await certificateWarnings(bus, [
      ...many,
      naming('fine', 'old'),
      naming(),
      naming('gone'),
    ]);
    assert(sizes.length > 1 && sizes.every((size) => size <= 64), String(sizes));
    assert.deepEqual(warnings.slice(40), [
      [{ path: '/resource/tls/caCertificateIds/1', code: 'CERTSTORE_EXPIRED', message: 'old' }],
      [],
      [
        {
          path: '/resource/tls/caCertificateIds/0',
          code: 'CERTSTORE_CERTIFICATE_NOT_FOUND',
          message: 'gone',
        },
      ],
    ]);
    await bus.close();
  });

  it('is asked of all client CAs of a destination at once, which are judged by each other', async () => {
    const bus = memoryBus();
    const sizes: number[] = [];
    answer(bus, checkCertificates, ({ uses }) => {
      sizes.push(uses.length);
      return { faults: [], warnings: [] };
    });
    await certificateWarnings(bus, [naming(), ...Array.from({ length: 30 }, () => naming('a', 'b', 'c'))]);
    assert.deepEqual(sizes, [63, 27]);
    sizes.length = 0;
    await certificateWarnings(bus, [naming()]);
    assert.deepEqual(sizes, []);
    await bus.close();
  });
});
