import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { generateKeyPairSync, sign } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type Bus, MemoryHub } from '@postern/bus';
import {
  type Certificate,
  type Material,
  ask,
  certificateFeed,
  checkCertificates,
  createCertificate,
  deleteCertificate,
  getCa,
  getCertificate,
  getClientMaterial,
  getIntakeKey,
  getNodeMaterial,
  issueNodeCertificate,
  issueServerCertificate,
  listCertificates,
  materialRequestText,
  materialSignerName,
  materialText,
  sealingKeyText,
  sessionTicketsId,
  updateCertificate,
} from '@postern/contracts';
import { FeedFollower } from '@postern/replica';
import { type Store, StoreError, type StoredDocument, newId, openSqlite } from '@postern/store';
import type { Service } from '@postern/telemetry';
import {
  certificateKey,
  createAuthority,
  createSigningRequest,
  demandSigner,
  generateKey,
  isSignedText,
  keyThumbprint,
  loadAuthority,
  openSealed,
  sealText,
  signText,
} from '@postern/tls';
import { secretCollection } from './document.ts';
import { RouteOwner, routeNaming } from './fixture/route-owner.ts';
import { createCertstore } from './service.ts';

const code = (expected: string) => (error: unknown) =>
  error instanceof Error && 'code' in error && error.code === expected;

interface Pair {
  chainPem: string;
  keyPem: string;
}

/** The store; `then` is what happens before the next secret is read, or after the next change was stored. */
function interruptible(store: Store): {
  store: Store;
  beforeSecret: (then: () => Promise<unknown>) => void;
  afterChange: (then: () => Promise<unknown>) => void;
} {
  let next: (() => Promise<unknown>) | null = null;
  let last: (() => Promise<unknown>) | null = null;
  const watched: Store = {
    collection: async <T extends StoredDocument>(
      name: string,
      options?: Parameters<Store['collection']>[1],
    ) => {
      const collection = await store.collection<T>(name, options);
      const get = collection.get.bind(collection);
      const watchedGet = async (id: string): Promise<T | null> => {
        const then = next;
        next = null;
        await then?.();
        return get(id);
      };
      return name === secretCollection ? Object.assign(collection, { get: watchedGet }) : collection;
    },
    transaction: async (work, options) => {
      const result = await store.transaction(work, options);
      const then = last;
      last = null;
      await then?.();
      return result;
    },
    ping: () => store.ping(),
    time: () => store.time(),
    close: () => store.close(),
  };
  return {
    store: watched,
    beforeSecret: (then) => (next = then),
    afterChange: (then) => (last = then),
  };
}

describe('certificates of operators', () => {
  let store: Store;
  let beforeSecret: (then: () => Promise<unknown>) => void;
  let afterChange: (then: () => Promise<unknown>) => void;
  let bus: Bus;
  let service: Service;
  let routes: RouteOwner;
  let ca: ReturnType<typeof loadAuthority>;

  beforeEach(async () => {
    ({ store, beforeSecret, afterChange } = interruptible(openSqlite(':memory:')));
    const hub = new MemoryHub();
    bus = hub.connect();
    routes = new RouteOwner(hub.connect());
    ca = loadAuthority(await createAuthority({ commonName: 'Shop CA' }));
    const options = { keyEncryptionKey: randomBytes(32).toString('base64'), platformHost: 'gw.example.com' };
    service = createCertstore({ bus: hub.connect(), store, options });
    await service.start();
  });
  afterEach(async () => {
    await service.stop();
    routes.close();
    await store.close();
  });

  async function pair(name = 'shop.example', usage: 'server' | 'client' = 'server'): Promise<Pair> {
    const keyPem = await generateKey();
    const csrPem = await createSigningRequest({ keyPem, commonName: name });
    const notAfter = new Date(Date.now() + 90 * 86_400_000);
    return { chainPem: await ca.issue({ csrPem, names: [name], usage, notAfter }), keyPem };
  }

  async function sealed(...pems: string[]): Promise<string> {
    const { key } = await ask(bus, getIntakeKey, {});
    return sealText(key, JSON.stringify({ files: pems.map((pem) => Buffer.from(pem).toString('base64')) }));
  }

  async function upload(...pems: string[]): Promise<Certificate> {
    return ask(bus, createCertificate, { name: 'shop', sealed: await sealed(...pems) });
  }

  async function secretOf(id: string): Promise<StoredDocument | null> {
    return (await store.collection(secretCollection)).get(id);
  }

  /** A node of the cluster with its key. */
  async function node(): Promise<Pair & { caPem: string }> {
    const keyPem = await generateKey();
    const csrPem = await createSigningRequest({ keyPem, commonName: 'edge-1' });
    const holder = { kind: 'node', name: 'edge-1' } as const;
    return { keyPem, ...(await ask(bus, issueNodeCertificate, { csrPem, holder })) };
  }

  function askAs({ chainPem, keyPem }: Pair, ids: string[], text = materialRequestText(ids, null)) {
    return ask(bus, getNodeMaterial, {
      ids,
      proof: { certificatePem: chainPem, signature: signText(keyPem, text) },
    });
  }

  it('refuses to delete one that was changed since it was looked at', async () => {
    const { chainPem } = await pair();
    const { id } = await upload(chainPem);
    const [changed, deleted] = await Promise.allSettled([
      ask(bus, updateCertificate, { id, patch: { name: 'another' } }),
      ask(bus, deleteCertificate, { id, revision: 1 }),
    ]);
    assert.equal(changed.status, 'fulfilled');
    assert.ok(deleted.status === 'rejected');
    assert.equal((deleted.reason as { code?: string }).code, 'CERTSTORE_REVISION_STALE');
  });

  it('shows what was uploaded, and never a key', async () => {
    const { chainPem, keyPem } = await pair();
    const made = await upload(keyPem + ca.certificatePem + chainPem);
    assert.equal(made.kind, 'server');
    assert.equal(made.hasKey, true);
    assert.deepEqual(made.san, ['DNS:shop.example']);
    assert.equal(made.certificates, 2);
    assert.deepEqual([made.usedBy, made.warnings], [[], []]);
    assert.deepEqual(await ask(bus, getCertificate, { id: made.id }), made);
    assert.deepEqual((await ask(bus, listCertificates, {})).items, [made]);
    assert.doesNotMatch(JSON.stringify(made), /PRIVATE KEY/);
  });

  it('lists those too long for one message of the bus together in shorter pages', async () => {
    const keyPem = await generateKey();
    const csrPem = await createSigningRequest({ keyPem, commonName: 'x' });
    const notAfter = new Date(Date.now() + 90 * 86_400_000);
    const names = Array.from({ length: 128 }, (_, n) => `n${n}.${'long-label.'.repeat(18)}example`);
    const chainPem = await ca.issue({ csrPem, names, usage: 'server', notAfter });
    const made = [(await upload(chainPem)).id];
    const certificates = await store.collection('certstore_certificates');
    const one = await certificates.get(made[0] ?? '');
    assert(one !== null);
    while (made.length < 45) made.push((await certificates.insert({ ...one, id: newId() })).id);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: { items: { id: string }[]; nextCursor: string | null } = await ask(bus, listCertificates, {
        cursor,
      });
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== null);
    assert.deepEqual(seen, made);
  });

  it('warns of a chain that ends below an issuer that is not in it', async () => {
    const { chainPem, keyPem } = await pair();
    const { warnings } = await upload(keyPem, chainPem);
    assert.deepEqual(
      warnings.map((warning) => warning.code),
      ['CERTSTORE_CHAIN_OPEN'],
    );
  });

  it('keeps the key when new contents without one are of the same key', async () => {
    const { chainPem, keyPem } = await pair();
    const made = await upload(keyPem, chainPem);
    const csrPem = await createSigningRequest({ keyPem, commonName: 'x' });
    const notAfter = new Date(Date.now() + 200 * 86_400_000);
    const renewed = await ca.issue({ csrPem, names: ['shop.example'], usage: 'server', notAfter });
    const after = await ask(bus, updateCertificate, {
      id: made.id,
      patch: {},
      sealed: await sealed(renewed),
    });
    assert.equal(after.hasKey, true);
    assert.equal(after.contentRevision, 2);
    const other = await pair();
    const without = await ask(bus, updateCertificate, {
      id: made.id,
      patch: {},
      sealed: await sealed(other.chainPem),
    });
    assert.equal(without.hasKey, false);
    assert.equal(await secretOf(made.id), null, 'a key that nothing belongs to is not kept');
  });

  it('has the key that comes with new contents where it had none', async () => {
    const { id, hasKey } = await upload((await pair()).chainPem);
    assert.equal(hasKey, false);
    const contents = await sealed(...Object.values(await pair()));
    const after = await ask(bus, updateCertificate, { id, patch: {}, sealed: contents });
    assert.equal(after.hasKey, true);
    assert.partialDeepStrictEqual(await secretOf(id), { version: after.contentRevision });
    routes.set(routeNaming({ front: id, host: 'shop.example' }));
    assert.equal((await askAs(await node(), [id])).items.length, 1);
  });

  it('leaves no key behind when it is deleted', async () => {
    const { id } = await upload(...Object.values(await pair()));
    assert.notEqual(await secretOf(id), null);
    await ask(bus, deleteCertificate, { id });
    assert.equal(await secretOf(id), null);
  });

  it('refuses a name that is blank, too long or of several lines, and contents that are none', async () => {
    const { id } = await upload(ca.certificatePem);
    for (const name of ['', '  ', 'x'.repeat(129), 'a\nb', 7])
      await assert.rejects(
        ask(bus, updateCertificate, { id, patch: { name } }),
        code('CERTSTORE_INVALID'),
        JSON.stringify(name),
      );
    await ask(bus, updateCertificate, { id, patch: { name: 'x'.repeat(128) } });
    const { key } = await ask(bus, getIntakeKey, {});
    for (const body of ['{}', '{"files":[7]}', '[]', 'null', 'no JSON']) {
      const asked = ask(bus, createCertificate, { name: 'x', sealed: await sealText(key, body) });
      await assert.rejects(asked, code('CERTSTORE_INTAKE_INVALID'), body);
    }
  });

  it('calls no key damaged that is replaced or deleted while it is read', async () => {
    const { id } = await upload(...Object.values(await pair()));
    const [second, third] = [
      await sealed(...Object.values(await pair())),
      await sealed(...Object.values(await pair())),
    ];
    beforeSecret(() => ask(bus, updateCertificate, { id, patch: {}, sealed: second }));
    const after = await ask(bus, updateCertificate, { id, patch: {}, sealed: third });
    assert.equal(after.contentRevision, 3);
    beforeSecret(() => ask(bus, deleteCertificate, { id }));
    await assert.rejects(
      ask(bus, updateCertificate, { id, patch: {}, sealed: second }),
      code('CERTSTORE_CERTIFICATE_NOT_FOUND'),
    );
  });

  it('tells followers of every change, by a revision that never goes back', async () => {
    const follower = new FeedFollower({
      feed: certificateFeed,
      bus,
      onError: (error) => assert.fail(String(error)),
    });
    follower.start();
    const made = await upload(...Object.values(await pair()));
    await follower.refreshed();
    assert.equal(follower.get(made.id)?.contentRevision, 1);
    await ask(bus, updateCertificate, { id: made.id, patch: { name: 'other' } });
    await follower.refreshed();
    assert.equal(follower.get(made.id)?.contentRevision, 2);
    await ask(bus, updateCertificate, {
      id: made.id,
      patch: {},
      sealed: await sealed(...Object.values(await pair())),
    });
    await follower.refreshed();
    assert.equal(follower.get(made.id)?.contentRevision, 3);
    await ask(bus, deleteCertificate, { id: made.id });
    await follower.refreshed();
    assert.equal(follower.get(made.id), undefined);
    await follower.stop();
  });

  it('refuses a stale revision', async () => {
    const made = await upload(ca.certificatePem);
    await assert.rejects(
      ask(bus, updateCertificate, { id: made.id, patch: { name: 'x' }, revision: made.revision + 1 }),
      code('CERTSTORE_REVISION_STALE'),
    );
    await assert.rejects(
      ask(bus, deleteCertificate, { id: made.id, revision: made.revision + 1 }),
      code('CERTSTORE_REVISION_STALE'),
    );
    assert.equal((await ask(bus, getCertificate, { id: made.id })).revision, made.revision);
  });

  it('neither deletes nor makes unfit what a destination uses', async () => {
    const made = await upload(...Object.values(await pair()));
    routes.set(routeNaming({ front: made.id, host: 'shop.example' }));
    await assert.rejects(ask(bus, deleteCertificate, { id: made.id }), code('CERTSTORE_IN_USE'));
    const [user] = (await ask(bus, getCertificate, { id: made.id })).usedBy;
    assert.deepEqual([user?.destinationId, user?.field], ['d1', '/front/tls/certificateId']);
    const other = await sealed(...Object.values(await pair('other.example')));
    await assert.rejects(
      ask(bus, updateCertificate, { id: made.id, patch: {}, sealed: other }),
      code('CERTSTORE_HOST_NOT_COVERED'),
    );
    routes.set(routeNaming({}));
    await ask(bus, deleteCertificate, { id: made.id });
  });

  it('does not delete what a destination came to name while it was looked at', async () => {
    const made = await upload(...Object.values(await pair()));
    routes.onRelease = () => routes.set(routeNaming({ front: made.id }));
    await assert.rejects(ask(bus, deleteCertificate, { id: made.id }), code('CERTSTORE_IN_USE'));
    assert.equal((await ask(bus, getCertificate, { id: made.id })).hasKey, true);
  });

  it('lets destinations name a certificate again when its deletion was refused after the release', async () => {
    const made = await upload(...Object.values(await pair()));
    routes.onRelease = () => routes.set(routeNaming({ front: made.id }));
    await assert.rejects(ask(bus, deleteCertificate, { id: made.id }), code('CERTSTORE_IN_USE'));
    assert.equal(routes.released.has(made.id), false);
    routes.onRelease = () => {};
    routes.delete('d1');
    await ask(bus, deleteCertificate, { id: made.id });
    assert.equal(routes.released.has(made.id), true);
  });

  it('lets no destination name a certificate whose deletion ended in doubt, as it may be gone', async () => {
    const { id } = await upload(...Object.values(await pair()));
    routes.onRelease = () =>
      afterChange(() => Promise.reject(new StoreError('STORE_UNREACHABLE', 'the answer was lost')));
    await assert.rejects(ask(bus, deleteCertificate, { id }));
    await assert.rejects(ask(bus, getCertificate, { id }), code('CERTSTORE_CERTIFICATE_NOT_FOUND'));
    assert.equal(routes.released.has(id), true);
  });

  it('does not delete while nobody can say who uses it', async () => {
    const made = await upload(ca.certificatePem);
    routes.close();
    await assert.rejects(ask(bus, deleteCertificate, { id: made.id }), code('CERTSTORE_USAGE_UNKNOWN'));
  });

  it('says of each place that names a certificate why it does not do', async () => {
    const server = await upload(...Object.values(await pair()));
    const bare = await upload((await pair()).chainPem);
    const root = await upload(ca.certificatePem);
    const use = (id: string, role: 'server' | 'client' | 'ca', field: string) => ({
      id,
      role,
      field,
      host: 'shop.example',
    });
    const { faults } = await ask(bus, checkCertificates, {
      uses: [
        use(server.id, 'server', '/a'),
        use(root.id, 'ca', '/b'),
        use('none', 'ca', '/c'),
        use(server.id, 'client', '/d'),
        use(bare.id, 'server', '/e'),
        use(bare.id, 'ca', '/f'),
        { ...use(server.id, 'server', '/g'), host: 'other.example' },
      ],
    });
    assert.deepEqual(
      faults.map(({ path, code: found }) => [path, found]),
      [
        ['/c', 'CERTSTORE_CERTIFICATE_NOT_FOUND'],
        ['/d', 'CERTSTORE_USAGE_WRONG'],
        ['/e', 'CERTSTORE_KEY_MISSING'],
        ['/f', 'CERTSTORE_NO_CA'],
        ['/g', 'CERTSTORE_HOST_NOT_COVERED'],
      ],
    );
  });

  it('takes a certificate for both ends at either, and for a host that its alternative names cover, addresses too', async () => {
    const made = async (names: string[], addresses: string[] = []): Promise<Certificate> => {
      const keyPem = await generateKey();
      const csrPem = await createSigningRequest({ keyPem, commonName: 'x' });
      const notAfter = new Date(Date.now() + 90 * 86_400_000);
      const request = { csrPem, commonName: 'shop.example', names, addresses, notAfter } as const;
      return upload(keyPem, await ca.issue({ ...request, usage: 'both' }));
    };
    const [both, bySubject] = [await made(['shop.example'], ['192.0.2.1']), await made([])];
    const use = (id: string, role: 'server' | 'client', host: string) => ({ id, role, field: host, host });
    const { faults, warnings } = await ask(bus, checkCertificates, {
      uses: [
        use(both.id, 'server', 'shop.example'),
        use(both.id, 'server', '192.0.2.1'),
        use(both.id, 'client', 'client'),
        use(both.id, 'server', '192.0.2.2'),
        use(bySubject.id, 'server', 'shop.example'),
      ],
    });
    assert.deepEqual(
      faults.map(({ path, code: found }) => [path, found]),
      [
        ['192.0.2.2', 'CERTSTORE_HOST_NOT_COVERED'],
        ['shop.example', 'CERTSTORE_HOST_NOT_COVERED'],
      ],
    );
    assert.deepEqual(
      warnings.map(({ path, code: found }) => [path, found]),
      ['shop.example', '192.0.2.1', 'client'].map((path) => [path, 'CERTSTORE_CHAIN_OPEN']),
    );
  });

  it('has an API key for certain gateways name only what their destinations name, in that role at that end', async () => {
    const made = await upload(...Object.values(await pair()));
    const use = { id: made.id, field: '/a', role: 'server', holder: 'node', host: 'shop.example' } as const;
    const check = (change: object, keyGateways: string[]) =>
      ask(bus, checkCertificates, { uses: [{ ...use, ...change }], keyGateways });
    const denied = code('CERTSTORE_CERTIFICATE_DENIED');
    await assert.rejects(check({}, ['g1']), denied);
    routes.set(routeNaming({ front: made.id }));
    assert.deepEqual((await check({}, ['g0', 'g1'])).faults, []);
    await assert.rejects(check({}, ['g2']), denied);
    await assert.rejects(check({ holder: 'client' }, ['g1']), denied);
    await assert.rejects(check({ role: 'client' }, ['g1']), denied);
    await assert.rejects(check({ role: 'ca' }, ['g1']), denied);
    await assert.rejects(check({ id: 'none' }, ['g1']), denied);
    routes.delete('d1');
    await assert.rejects(check({}, ['g1']), denied);
  });

  describe('contents', () => {
    it('go to a node for a front that names them, sealed to it and signed', async () => {
      const own = await pair();
      const made = await upload(own.keyPem, own.chainPem);
      routes.set(routeNaming({ front: made.id }));
      const edge = await node();
      const { items } = await askAs(edge, [made.id]);
      const [item] = items;
      assert(item !== undefined);
      demandSigner(item.signerPem, { caPem: edge.caPem, name: materialSignerName });
      const text = materialText(await keyThumbprint(certificateKey(edge.chainPem)), item);
      assert(isSignedText(item.signerPem, text, item.signature));
      const material = JSON.parse(await openSealed(edge.keyPem, item.sealed)) as Material;
      assert.deepEqual([material.id, material.revision, material.keyPem], [made.id, 1, own.keyPem]);
      await assert.rejects(openSealed((await node()).keyPem, item.sealed), code('TLS_SEAL_BROKEN'));
    });

    it('go with the key of their own version where they are replaced while it is read', async () => {
      const { id } = await upload(...Object.values(await pair()));
      routes.set(routeNaming({ front: id }));
      const [edge, own] = [await node(), await pair()];
      const second = await sealed(...Object.values(own));
      beforeSecret(() => ask(bus, updateCertificate, { id, patch: {}, sealed: second }));
      const [item] = (await askAs(edge, [id])).items;
      const material = JSON.parse(await openSealed(edge.keyPem, item?.sealed ?? '')) as Material;
      assert.deepEqual(
        [material.revision, material.chainPem, material.keyPem],
        [2, own.chainPem, own.keyPem],
      );
    });

    it('go nowhere where no destination names them, nor to the other end', async () => {
      const made = await upload(...Object.values(await pair('shop.example', 'client')));
      const edge = await node();
      assert.deepEqual(
        (await askAs(edge, [made.id])).refused.map((one) => one.code),
        ['CERTSTORE_NOT_NEEDED'],
      );
      routes.set(routeNaming({ client: made.id }));
      assert.deepEqual(
        (await askAs(edge, [made.id])).refused.map((one) => one.code),
        ['CERTSTORE_NOT_NEEDED'],
      );
      assert.deepEqual(
        (await askAs(edge, ['none'])).refused.map((one) => one.code),
        ['CERTSTORE_CERTIFICATE_NOT_FOUND'],
      );
    });

    it('go without the key where a certificate is only verified by', async () => {
      const { keyPem, certificatePem } = await createAuthority({ commonName: 'own' });
      const made = await upload(keyPem, certificatePem);
      routes.set(routeNaming({ clientCa: made.id }));
      const edge = await node();
      const [item] = (await askAs(edge, [made.id])).items;
      const material = JSON.parse(await openSealed(edge.keyPem, item?.sealed ?? '')) as Material;
      assert.equal(material.keyPem, null);
    });

    it('go with the key where a certificate is shown, though another verifies by it', async () => {
      const own = await pair('shop.example');
      const made = await upload(own.keyPem, own.chainPem);
      routes.set(routeNaming({ front: made.id, clientCa: made.id }));
      const edge = await node();
      const [item] = (await askAs(edge, [made.id])).items;
      const material = JSON.parse(await openSealed(edge.keyPem, item?.sealed ?? '')) as Material;
      assert.equal(material.keyPem, own.keyPem);
    });

    it('go to no client that only a node needs, the secret of session tickets neither', async () => {
      const made = await upload(...Object.values(await pair()));
      routes.set(routeNaming({ front: made.id }));
      const { body } = await clientQuestion(await node(), [made.id, sessionTicketsId]);
      const { items, refused } = await ask(bus, getClientMaterial, body);
      assert.deepEqual(
        refused.map((one) => [one.id, one.code]),
        [made.id, sessionTicketsId].map((id) => [id, 'CERTSTORE_NOT_NEEDED']),
      );
      assert.deepEqual(items, []);
    });

    it('go to nobody who does not prove to be a node of this cluster', async () => {
      const made = await upload(...Object.values(await pair()));
      routes.set(routeNaming({ front: made.id }));
      const edge = await node();
      const ids = [made.id];
      await assert.rejects(askAs(edge, ids, 'another text'), code('CERTSTORE_PROOF_WRONG'));
      await assert.rejects(
        askAs({ ...edge, keyPem: await generateKey() }, ids),
        code('CERTSTORE_PROOF_WRONG'),
      );
      const keyPem = await generateKey();
      const csrPem = await createSigningRequest({ keyPem, commonName: 'x' });
      const names = ['edge-1.node.postern.internal'];
      const notAfter = new Date(Date.now() + 3_600_000);
      const forged = await ca.issue({ csrPem, names, usage: 'both', notAfter });
      await assert.rejects(askAs({ chainPem: forged, keyPem }, ids), code('CERTSTORE_PROOF_WRONG'));
      // OpenSSL reads certificates under other headers too; a chain begins with the node's own all the same.
      const chainPem = forged.replaceAll('CERTIFICATE', 'X509 CERTIFICATE') + edge.chainPem;
      await assert.rejects(askAs({ chainPem, keyPem }, ids), code('CERTSTORE_PROOF_WRONG'));
      const holder = { kind: 'service', name: 'admin' } as const;
      const admin = await ask(bus, issueNodeCertificate, { csrPem, holder });
      await assert.rejects(askAs({ chainPem: admin.chainPem, keyPem }, ids), code('CERTSTORE_PROOF_WRONG'));
      const order = { csrPem, names: ['gw.example.com'], addresses: [], holder };
      const server = await ask(bus, issueServerCertificate, order);
      await assert.rejects(askAs({ chainPem: server.chainPem, keyPem }, ids), code('CERTSTORE_PROOF_WRONG'));
    });

    it('are signed under a name that certstore gives to nobody', async () => {
      const csrPem = await createSigningRequest({ keyPem: await generateKey(), commonName: 'x' });
      const holder = { kind: 'service', name: 'certstore' } as const;
      await assert.rejects(
        ask(bus, issueNodeCertificate, { csrPem, holder }),
        code('CERTSTORE_NAME_REFUSED'),
      );
      const order = { csrPem, names: [materialSignerName], addresses: [], holder };
      await assert.rejects(ask(bus, issueServerCertificate, order), code('CERTSTORE_NAME_REFUSED'));
    });

    it('go to a client of the gateway, sealed so that its node cannot read them', async () => {
      const own = await pair('shop.example', 'client');
      const made = await upload(own.keyPem, own.chainPem);
      routes.set(routeNaming({ client: made.id }));
      const edge = await node();
      const question = await clientQuestion(edge, [made.id]);
      const { items } = await ask(bus, getClientMaterial, question.body);
      const [item] = items;
      assert(item !== undefined);
      const { pem } = await ask(bus, getCa, {});
      demandSigner(item.signerPem, { caPem: pem, name: materialSignerName });
      const material = JSON.parse(await openSealed(question.sealingKey, item.sealed)) as Material;
      assert.equal(material.keyPem, own.keyPem);
      await assert.rejects(openSealed(edge.keyPem, item.sealed), code('TLS_SEAL_BROKEN'));
      const { key } = await clientQuestion(edge, [made.id], 'g2')
        .then(({ body }) => ask(bus, getClientMaterial, body))
        .then(({ refused }) => ({ key: refused[0]?.code }));
      assert.equal(key, 'CERTSTORE_NOT_NEEDED');
    });

    it('do not go to a client whose ID, sealing key or node is not what it says', async () => {
      const made = await upload(...Object.values(await pair('shop.example', 'client')));
      routes.set(routeNaming({ client: made.id }));
      const edge = await node();
      const { body } = await clientQuestion(edge, [made.id]);
      const other = (await clientQuestion(edge, [made.id])).body;
      const wrong = [
        // All is signed as it should be, by a client of another gateway.
        { ...(await clientQuestion(edge, [made.id], 'g2')).body, gatewayId: 'g1' },
        { ...body, clientId: other.clientId },
        { ...body, sealingKey: other.sealingKey },
        { ...body, publicKey: other.publicKey },
        {
          ...body,
          proof: { ...body.proof, signature: signText(edge.keyPem, materialRequestText([made.id], null)) },
        },
      ];
      for (const one of wrong)
        await assert.rejects(ask(bus, getClientMaterial, one), code('CERTSTORE_PROOF_WRONG'));
    });
  });

  async function clientQuestion({ chainPem, keyPem }: Pair, ids: string[], gatewayId = 'g1') {
    const identity = generateKeyPairSync('ed25519');
    const sealing = generateKeyPairSync('x25519');
    const publicKey = identity.publicKey.export({ format: 'jwk' }) as {
      kty: 'OKP';
      crv: 'Ed25519';
      x: string;
    };
    const sealingKey = sealing.publicKey.export({ format: 'jwk' }) as {
      kty: 'OKP';
      crv: 'X25519';
      x: string;
    };
    const clientId = `${gatewayId}_${(await keyThumbprint(publicKey)).slice(0, 20)}`;
    const text = Buffer.from(sealingKeyText(clientId, sealingKey));
    const body = {
      ids,
      gatewayId,
      clientId,
      publicKey,
      sealingKey,
      sealingSignature: sign(null, text, identity.privateKey).toString('base64url'),
      proof: { certificatePem: chainPem, signature: signText(keyPem, materialRequestText(ids, clientId)) },
    };
    return { body, sealingKey: sealing.privateKey };
  }
});
