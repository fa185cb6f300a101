import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MemoryHub } from '@postern/bus';
import type { KeptCertificate } from '@postern/kept-certificate';
import { answer, issueServerCertificate } from '@postern/contracts';
import { silentLogger } from '@postern/telemetry';
import { createAuthority, describeCertificate, loadAuthority } from '@postern/tls';
import { frontOf, routeOf } from '../fixture/documents.ts';
import { PlatformCertificates } from './platform-certificates.ts';

it('is complete when each front that has no certificate of its own has one in its name, or is gone', async () => {
  const hub = new MemoryHub();
  const authority = loadAuthority(await createAuthority({ commonName: 'Platform CA' }));
  const asked = Promise.withResolvers<void>();
  const given = Promise.withResolvers<void>();
  answer(hub.connect(), issueServerCertificate, async ({ csrPem, names, addresses }) => {
    asked.resolve();
    await given.promise;
    const ends = new Date(Date.now() + 86_400_000);
    const chainPem = await authority.issue({ csrPem, names, addresses, usage: 'server', notAfter: ends });
    const { fingerprint } = describeCertificate(chainPem);
    const [notBefore, notAfter] = [new Date().toISOString(), ends.toISOString()];
    const caPem = authority.certificatePem;
    return { chainPem, caPem, fingerprint, notBefore, notAfter, renewAt: notAfter };
  });
  const certificates = new PlatformCertificates({
    bus: hub.connect(),
    holder: { kind: 'node', name: 'edge-1' },
    platformHost: 'localhost',
    own: {} as KeptCertificate,
    logger: silentLogger,
  });
  const tls = { ...frontOf({}).tls, mode: 'server' as const };
  const route = routeOf({ id: 'd1', front: frontOf({ host: 'shop-g1.localhost', tls }) });
  await certificates.complete();
  certificates.apply('d1', route);
  await asked.promise;
  let complete = false;
  const whole = certificates.complete().then(() => (complete = true));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([complete, certificates.of(route)], [false, null]);
  given.resolve();
  await whole;
  assert.ok(certificates.of(route));
  certificates.apply('d2', { ...route, id: 'd2' });
  certificates.stop();
  await certificates.complete();
});
