import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { MemoryHub } from '@postern/bus';
import {
  ask,
  certificateFeed,
  getCa,
  issueNodeCertificate,
  issueServerCertificate,
  nodeIdentityName,
  type CertificateHolder,
} from '@postern/contracts';
import { StoreError, newId, openSqlite, type Store, type StoredDocument } from '@postern/store';
import { ExitError, type Logger, type Service, silentLogger } from '@postern/telemetry';
import { until } from '@postern/test-kit';
import {
  createSigningRequest,
  demandSigner,
  describeCertificate,
  generateKey,
  type CertificateDescription,
} from '@postern/tls';
import { IssuedList } from './authority/issued.ts';
import { createCertstore, type CertstoreOptions } from './service.ts';

const keyEncryptionKey = randomBytes(32).toString('base64');
const options: CertstoreOptions = {
  keyEncryptionKey,
  platformHost: 'gw.example.com',
  certificateAddresses: ['192.0.2.7'],
};
const counterName = `${certificateFeed.name.replaceAll('.', '_')}_counter`;
const edge: CertificateHolder = { kind: 'node', name: 'edge-1' };

const code = (expected: string) => (error: unknown) =>
  error instanceof Error && 'code' in error && error.code === expected;

describe('certstore', () => {
  let store: Store;
  let hub: MemoryHub;
  let running: Service[];

  beforeEach(() => {
    store = openSqlite(':memory:');
    hub = new MemoryHub();
    running = [];
  });
  afterEach(async () => {
    for (const service of running) await service.stop();
    await store.close();
  });

  async function start(changes: Partial<CertstoreOptions> = {}): Promise<Service> {
    const service = createCertstore({ bus: hub.connect(), store, options: { ...options, ...changes } });
    running.push(service);
    await service.start();
    return service;
  }

  /** The store, with something that happens just before that collection is opened. */
  function opening(name: string, first: () => Promise<void>): Store {
    return {
      collection: async (opened, collectionOptions) => {
        if (opened === name) await first();
        return store.collection(opened, collectionOptions);
      },
      transaction: (work, transactionOptions) => store.transaction(work, transactionOptions),
      ping: () => store.ping(),
      time: () => store.time(),
      close: () => store.close(),
    };
  }

  async function request(): Promise<string> {
    return createSigningRequest({
      keyPem: await generateKey(),
      commonName: 'whatever',
      names: ['evil.example'],
    });
  }

  it('gives the same CAs again after a restart', async () => {
    const first = await start();
    const before = await ask(hub.connect(), getCa, {});
    await first.stop();
    await start();
    assert.deepEqual(await ask(hub.connect(), getCa, {}), before);
  });

  it('makes each CA once, however many replicas start at the same moment', async () => {
    await Promise.all([start(), start(), start()]);
    const fingerprints = running.map(
      (service) => (service.status() as { authorities: { fingerprint: string }[] }).authorities,
    );
    assert.deepEqual(fingerprints[1], fingerprints[0]);
    assert.deepEqual(fingerprints[2], fingerprints[0]);
    assert.notEqual(fingerprints[0]?.[0]?.fingerprint, fingerprints[0]?.[1]?.fingerprint);
  });

  it('signs server certificates that verify against the platform CA and begin their renewal at two thirds', async () => {
    await start();
    const bus = hub.connect();
    const names = ['gw.example.com', '*.tunnel.gw.example.com', 'localhost'];
    const addresses = ['127.0.1.1', '::1', '192.0.2.7'];
    const issued = await ask(bus, issueServerCertificate, {
      csrPem: await request(),
      names,
      addresses,
      holder: edge,
    });
    const ca = await ask(bus, getCa, {});
    demandSigner(issued.chainPem, { caPem: ca.pem, name: 'edge-1.tunnel.gw.example.com' });
    const facts = describeCertificate(issued.chainPem);
    assert.deepEqual(facts.names, names);
    assert.equal(facts.addresses.length, 3);
    assert.equal(issued.fingerprint, facts.fingerprint);
    const [from, to, renew] = [issued.notBefore, issued.notAfter, issued.renewAt].map((time) =>
      Date.parse(time),
    );
    assert(Math.abs((to! - from!) / 86_400_000 - 30) < 0.1);
    assert(Math.abs((renew! - from!) / (to! - from!) - 2 / 3) < 0.001);
  });

  it('refuses names and addresses that are not the platform’s', async () => {
    await start();
    const bus = hub.connect();
    const refusals: [string[], string[]][] = [
      [['example.com'], []],
      [['evilgw.example.com'], []],
      [['*.example.com'], []],
      [['gw.example.com.evil.org'], []],
      [['gw.example.com', 'bank.example'], []],
      [['192.0.2.7'], []],
      [[], ['192.0.2.8']],
      [[], ['10.0.0.1']],
    ];
    for (const [names, addresses] of refusals) {
      await assert.rejects(
        ask(bus, issueServerCertificate, { csrPem: await request(), names, addresses, holder: edge }),
        code('CERTSTORE_NAME_REFUSED'),
        JSON.stringify([names, addresses]),
      );
    }
  });

  it('refuses a signing request that is none, was changed, or names nothing', async () => {
    await start();
    const bus = hub.connect();
    const order = { names: ['gw.example.com'], addresses: [], holder: edge };
    const csrPem = await request();
    const der = Buffer.from(csrPem.replace(/-----[^-]+-----/g, ''), 'base64');
    der[der.length - 1] = der[der.length - 1]! ^ 1;
    const tampered = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
    for (const wrong of ['x'.repeat(100), tampered]) {
      await assert.rejects(
        ask(bus, issueServerCertificate, { ...order, csrPem: wrong }),
        code('CERTSTORE_REQUEST_INVALID'),
      );
    }
    await assert.rejects(
      ask(bus, issueServerCertificate, { ...order, names: [], csrPem }),
      code('CERTSTORE_REQUEST_INVALID'),
    );
  });

  it('gives nodes an identity from a CA that is not the platform’s, with no say in its name', async () => {
    await start();
    const bus = hub.connect();
    const issued = await ask(bus, issueNodeCertificate, { csrPem: await request(), holder: edge });
    const name = nodeIdentityName(edge);
    demandSigner(issued.chainPem, { caPem: issued.caPem, name });
    assert.deepEqual(describeCertificate(issued.chainPem).names, [name]);
    const ca = await ask(bus, getCa, {});
    assert.throws(() => demandSigner(issued.chainPem, { caPem: ca.pem, name }), {
      code: 'TLS_ISSUER_UNKNOWN',
    });
  });

  it('gives at a node’s own subject the identity of that node and no other', async () => {
    await start();
    const bus = hub.connect();
    const issueAt = async (suffix: string, holder: CertificateHolder) =>
      ask(bus, issueNodeCertificate, { csrPem: await request(), holder }, { suffix });
    const { chainPem } = await issueAt(edge.name, edge);
    assert.deepEqual(describeCertificate(chainPem).names, [nodeIdentityName(edge)]);
    const others: CertificateHolder[] = [
      { kind: 'node', name: 'edge-9' },
      { kind: 'service', name: edge.name },
    ];
    for (const other of others)
      await assert.rejects(issueAt(edge.name, other), code('CERTSTORE_NAME_REFUSED'));
  });

  it('keeps no private key in the store as it is', async () => {
    await start();
    const documents = await store.collection<StoredDocument>('certstore_authorities');
    const { items } = await documents.list();
    assert.equal(items.length, 2);
    assert.doesNotMatch(JSON.stringify(items), /PRIVATE KEY/);
  });

  it('ends with 78 and says why when the key-encryption key is another one', async () => {
    await start();
    await assert.rejects(
      start({ keyEncryptionKey: randomBytes(32).toString('base64') }),
      (error) =>
        error instanceof ExitError &&
        error.exitCode === 78 &&
        /CERTSTORE_KEY_WRONG.*another/.test(error.message),
    );
  });

  it('ends with 78 when the key-encryption key has another length', () => {
    assert.throws(
      () =>
        createCertstore({
          bus: hub.connect(),
          store,
          options: { ...options, keyEncryptionKey: 'c2hvcnQ=' },
        }),
      (error) => error instanceof ExitError && error.exitCode === 78 && /32 bytes/.test(error.message),
    );
  });

  it('ends with 78 when the URL of the transit server is none', () => {
    for (const url of ['vault:8200', 'vault.corp', 'ftp://vault.corp']) {
      const transit = { url, mount: 'transit', key: 'postern', token: () => 't', caPem: null };
      assert.throws(
        () => createCertstore({ bus: hub.connect(), store, options: { ...options, transit } }),
        (error: unknown) =>
          error instanceof ExitError && error.exitCode === 78 && /transitUrl/.test(error.message),
      );
    }
  });

  it('ends with 78 and names the document when the key check was changed, and starts again without it', async () => {
    const service = await start();
    await service.stop();
    const documents = await store.collection<StoredDocument & { sealed: string }>('certstore_key_check');
    const found = await documents.get('current');
    for (const sealed of [
      found!.sealed.slice(0, 20),
      found!.sealed.slice(0, -8).padEnd(found!.sealed.length, 'A'),
    ]) {
      await documents.replace({ ...found!, sealed, revision: (await documents.get('current'))!.revision });
      await assert.rejects(
        start(),
        (error) =>
          error instanceof ExitError &&
          error.exitCode === 78 &&
          /CERTSTORE_SECRET_DAMAGED.*current of certstore_key_check.*delete it/.test(error.message),
      );
    }
    await documents.delete('current');
    await start();
  });

  it('ends with 78 when the envelopes of both CAs were swapped', async () => {
    const service = await start();
    await service.stop();
    const documents = await store.collection<StoredDocument & { sealedKey: string }>('certstore_authorities');
    const [cluster, platform] = (await documents.list()).items;
    await documents.replace({ ...cluster!, sealedKey: platform!.sealedKey });
    await documents.replace({ ...platform!, sealedKey: cluster!.sealedKey });
    await assert.rejects(start(), /CERTSTORE_SECRET_DAMAGED/);
  });

  it('is not ready before its CAs are loaded, nor after it was stopped', async () => {
    const service = createCertstore({ bus: hub.connect(), store, options });
    assert.deepEqual(service.ready().waitingFor, ['certificates']);
    await service.start();
    assert.equal(service.ready().ready, true);
    await service.stop();
    await service.stop();
    assert.equal(service.ready().ready, false);
  });

  it('makes no CA while its clock is not the database’s, and does when that is set right', async () => {
    store.time = async () => Date.now() - 100 * 86_400_000;
    const warned = Promise.withResolvers<unknown>();
    const logger: Logger = Object.create(silentLogger, {
      child: { value: () => logger },
      warn: { value: ({ error }: { error: unknown }) => warned.resolve(error) },
    });
    const service = createCertstore({ bus: hub.connect(), store, options, logger });
    running.push(service);
    const started = service.start();
    assert.match(
      String(await warned.promise),
      /clock is 8640000 s ahead of the database’s: set the wrong one/,
    );
    assert.deepEqual(service.ready().waitingFor, ['certificates']);
    assert.equal(await (await store.collection('certstore_authorities')).count(), 0);
    store.time = async () => Date.now();
    await started;
    assert.equal(await (await store.collection('certstore_authorities')).count(), 2);
  });

  it('that starts while a restore is done has the CAs that it gave', async () => {
    await (await start()).stop();
    const bus = hub.connect();
    const authorities = await store.collection('certstore_authorities');
    const meanwhile = opening(counterName, async () => {
      for (const { id } of (await authorities.list()).items) await authorities.delete(id);
    });
    const service = createCertstore({ bus: hub.connect(), store: meanwhile, options });
    running.push(service);
    await service.start();
    const { pem } = await ask(bus, getCa, {});
    const stored = (await authorities.get('platform')) as
      | (StoredDocument & { certificatePem: string })
      | null;
    assert.equal(pem, stored?.certificatePem);
  });

  it('that was restored starts anew until it serves, whatever fails meanwhile', async () => {
    let failures = 0;
    const failing = opening('certstore_issued', async () => {
      if (failures === 0) return;
      failures -= 1;
      throw new StoreError('STORE_REFUSED', 'not now');
    });
    const service = createCertstore({ bus: hub.connect(), store: failing, options });
    running.push(service);
    await service.start();
    const authorities = await store.collection('certstore_authorities');
    const counter = await store.collection<StoredDocument & { epoch: string }>(counterName);
    const position = await counter.get('counter');
    assert(position !== null);
    failures = 1;
    await store.transaction(async (within) => {
      await within(authorities).delete('platform');
      await within(counter).replace({ ...position, epoch: newId() });
    });
    await until(
      () => authorities.get('platform'),
      (made) => made !== null,
    );
    const { pem } = await until(
      () => ask(hub.connect(), getCa, {}).catch(() => ({ pem: '' })),
      (answer) => answer.pem !== '',
    );
    const stored = (await authorities.get('platform')) as
      | (StoredDocument & { certificatePem: string })
      | null;
    assert.deepEqual([pem, failures], [stored?.certificatePem, 0]);
  });

  it('waits for a store that is out of reach, and may be stopped meanwhile', async () => {
    const unreachable = new StoreError('STORE_UNREACHABLE', 'no server');
    const dead = { ...store, collection: () => Promise.reject(unreachable) } as unknown as Store;
    const service = createCertstore({ bus: hub.connect(), store: dead, options });
    const started = service.start();
    assert.equal(service.ready().ready, false);
    await service.stop();
    await started;
  });
});

describe('the list of issued certificates', () => {
  it('loses what has ended, and the oldest beyond its bound', async () => {
    const store = openSqlite(':memory:');
    const list = await IssuedList.open(store, 3);
    const facts = describeCertificateLike;
    for (const [index, days] of [-1, 5, 6, 7, 8, -2].entries()) {
      await list.add('platform', edge, facts(String(index), days));
    }
    assert.equal(await list.sweep(new Date()), 3);
    const { items } = await (
      await store.collection<StoredDocument & { serial: string }>('certstore_issued')
    ).list();
    assert.deepEqual(
      items.map((item) => item.serial),
      ['2', '3', '4'],
    );
    await store.close();
  });
});

function describeCertificateLike(serial: string, days: number): CertificateDescription {
  const notAfter = new Date(Date.now() + days * 86_400_000);
  return {
    subject: 'CN=x',
    issuer: 'CN=y',
    names: [],
    addresses: [],
    serial,
    notBefore: new Date(0),
    notAfter,
    fingerprint: serial,
    key: 'ECDSA P-256',
    isAuthority: false,
    isSelfSigned: false,
    isKeyedBy: () => false,
  };
}
