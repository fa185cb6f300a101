import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { memoryBus } from '@postern/bus';
import { answer, issueServerCertificate } from '@postern/contracts';
import { silentLogger } from '@postern/telemetry';
import { type HeldCertificate, KeptCertificate } from './kept-certificate.ts';

test('a certificate is renewed with a new key when its time has come', async () => {
  const bus = memoryBus();
  let asked = 0;
  answer(bus, issueServerCertificate, ({ names, addresses }) => {
    asked += 1;
    assert.deepEqual([names, addresses], [['localhost'], ['127.0.0.1']]);
    const renewAt = new Date(Date.now() + (asked === 1 ? 20 : 3_600_000)).toISOString();
    const notBefore = new Date(0).toISOString();
    const common = { caPem: 'ca', notBefore, notAfter: renewAt, renewAt };
    return { chainPem: `chain ${asked}`, fingerprint: `${asked}`, ...common };
  });
  const options = {
    bus,
    logger: silentLogger,
    holder: { kind: 'node' as const, name: 'edge-1' },
    names: ['localhost', '127.0.0.1'],
  };
  const certificate = new KeptCertificate(options);
  const end = new AbortController();
  const keepAlive = setInterval(() => {}, 1_000);
  await certificate.start(end.signal);
  const first = certificate.current;
  assert.equal(first?.chainPem, 'chain 1');
  const renewed = await new Promise<HeldCertificate>((resolve) => {
    certificate.onRenewed(resolve);
  });
  clearInterval(keepAlive);
  assert.equal(renewed.chainPem, 'chain 2');
  assert.notEqual(renewed.keyPem, first?.keyPem);
  end.abort();
  await bus.close();
});

test('waiting for a certificate ends with the signal', async () => {
  const bus = memoryBus();
  const certificate = new KeptCertificate({
    bus,
    logger: silentLogger,
    holder: { kind: 'node', name: 'edge-1' },
    names: ['localhost'],
  });
  const end = new AbortController();
  const started = certificate.start(end.signal);
  setImmediate(() => end.abort());
  await started;
  assert.equal(certificate.current, null);
  await bus.close();
});

test('a certificate that is not valid yet is better than none, takes no valid one’s place, and is asked for again', async () => {
  const bus = memoryBus();
  const at = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString();
  const given: [name: string, beginsIn: number, renewIn: number][] = [
    ['early', 47, 100],
    ['begun', -1, -0.5],
    ['early again', 47, 100],
    ['next', -1, 100],
  ];
  const kept: (string | undefined)[] = [];
  const done = Promise.withResolvers<void>();
  answer(bus, issueServerCertificate, () => {
    kept.push(certificate.current?.fingerprint);
    const [fingerprint, beginsIn, renewIn] = given.shift() ?? ['', 0, 0];
    const [notBefore, notAfter, renewAt] = [at(beginsIn), at(200), at(renewIn)];
    return { chainPem: 'chain', caPem: 'ca', fingerprint, notBefore, notAfter, renewAt };
  });
  const waits: number[] = [];
  const end = new AbortController();
  const certificate: KeptCertificate = new KeptCertificate({
    bus,
    logger: silentLogger,
    holder: { kind: 'node', name: 'edge-1' },
    names: ['localhost'],
    wait: async (waitMs) => {
      waits.push(waitMs);
      if (given.length === 0) done.resolve();
      if (given.length === 0) await new Promise((resolve) => end.signal.addEventListener('abort', resolve));
    },
  });
  await certificate.start(end.signal);
  assert.equal(certificate.current?.fingerprint, 'early');
  await done.promise;
  assert.deepEqual(kept, [undefined, 'early', 'begun', 'begun']);
  assert.equal(certificate.current.fingerprint, 'next');
  assert.deepEqual(waits.slice(0, 3), [30_000, 30_000, 250]);
  end.abort();
  await bus.close();
});

test('a certificate that has ended while the machine stood still is renewed within a minute of its going on', async (t) => {
  const bus = memoryBus();
  const days = (count: number): string => new Date(Date.now() + count * 86_400_000).toISOString();
  let asked = 0;
  answer(bus, issueServerCertificate, () => {
    asked += 1;
    const times = { notBefore: days(-1), notAfter: days(30), renewAt: days(20) };
    return { chainPem: `chain ${asked}`, caPem: 'ca', fingerprint: `${asked}`, ...times };
  });
  const end = new AbortController();
  const waits: number[] = [];
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  // Timers stand still too: of a wait there is left what was.
  const wait = async (waitMs: number): Promise<void> => {
    if (waits.push(waitMs) > 1) await once(end.signal, 'abort');
    else t.mock.timers.setTime(Date.now() + 40 * 86_400_000);
  };
  const holder = { kind: 'node', name: 'edge-1' } as const;
  const certificate = new KeptCertificate({ bus, logger: silentLogger, holder, names: ['localhost'], wait });
  await certificate.start(end.signal);
  const renewed = await new Promise<HeldCertificate>((resolve) => {
    certificate.onRenewed(resolve);
  });
  end.abort();
  await bus.close();
  assert.equal(renewed.chainPem, 'chain 2');
  assert.equal(waits[0], 60_000);
});
