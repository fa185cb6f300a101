// Certificates on a real cluster: uploaded, generated, served with, replaced while callers come; the key-encryption key
// changed while all that goes on, with certstore killed in the middle. Then whatever the run left behind is searched
// for every private key, token and passphrase in it: the documents, the bus, the logs.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { X509Certificate, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type TLSSocket, connect, createServer } from 'node:tls';
import { promisify } from 'node:util';
import { type Bus, connectNats } from '@postern/bus';
import type { Certificate, CertificateDownload, KeyRotation } from '@postern/contracts';
import {
  type Cluster,
  type Resource,
  type ShownDestination,
  type Site,
  bootCluster,
  frontAt,
  startEcho,
  startSite,
  untilServed,
} from '@postern/test-cluster';
import { MongoClient } from 'mongodb';
import { createAuthority, createSigningRequest, generateKey, loadAuthority } from '@postern/tls';
import { until } from './fault/patience.ts';
import { heapStrings, withHeapSnapshots } from './fixture/heap.ts';
import { tryEcho } from './fixture/caller.ts';
import { type Needle, filesBelow, foundIn, keyNeedle, textNeedle } from './fixture/needles.ts';

const run = promisify(execFile);

type Generated = Certificate & { download: CertificateDownload };

describe('certificates on a cluster of two nodes', () => {
  let folder: string;
  let cluster: Cluster;
  let echo: Resource;
  let site: Site;
  let bus: Bus;
  let secure: ShownDestination;
  let mutual: ShownDestination;
  let front: Certificate;
  let own: { caPem: string; issue: (name: string) => Promise<{ chainPem: string; keyPem: string }> };
  const heard: string[] = [];
  const needles: Needle[] = [];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'postern-certificates-'));
    echo = await startEcho();
    cluster = await withHeapSnapshots(folder, () => bootCluster({ nodes: 2, logLevel: 'trace' }));
    bus = await connectNats({ servers: cluster.busUrl, name: 'listener' });
    bus.subscribe('>', (body, subject) => heard.push(`${subject} ${JSON.stringify(body)}`));
    await bus.flush(5_000);
    site = await withHeapSnapshots(folder, () => startSite(cluster, { resources: { echo } }));
    const authority = await createAuthority({ commonName: 'Shop CA' });
    const ca = loadAuthority(authority);
    own = {
      caPem: authority.certificatePem,
      issue: async (name) => {
        const keyPem = await generateKey();
        needles.push(keyNeedle(`the key of ${name}`, keyPem));
        const csrPem = await createSigningRequest({ keyPem, commonName: name });
        const notAfter = new Date(Date.now() + 60 * 86_400_000);
        return { chainPem: await ca.issue({ csrPem, names: [name], usage: 'both', notAfter }), keyPem };
      },
    };
    needles.push(
      textNeedle('the API key', cluster.apiKey),
      textNeedle('the security token', site.token.token),
    );
    needles.push(textNeedle('the first key-encryption key', readFileSync(keyFile(), 'utf8').trim()));
    needles.push(keyNeedle("the client's own key", readFileSync(identityFile(), 'utf8')));
  });
  after(async () => {
    await site?.stop();
    await bus?.close();
    await cluster?.stop();
    await echo?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const keyFile = (): string => join(cluster.state, 'key-encryption-key');
  const identityFile = (): string => join(site.client.folder, 'identity-1.pem');
  const call = <T>(method: string, path: string, body?: object): Promise<T> =>
    cluster.admin.call<T>(method, path, body);

  /** A new TLS connection through the front of a node, echoing. */
  async function dial(node: number, name = 'shop.example'): Promise<TLSSocket> {
    const { host, port } = frontAt(cluster, secure, node);
    const socket = connect({ host, port, servername: name, ca: own.caPem });
    await once(socket, 'secureConnect');
    return socket;
  }

  async function echoes(socket: TLSSocket, text: string): Promise<void> {
    socket.write(text);
    let received = '';
    while (received.length < text.length) {
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      received += chunk.toString();
    }
    assert.equal(received, text);
  }

  async function fingerprintShown(node: number): Promise<string> {
    const socket = await dial(node);
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256.replaceAll(':', '').toLowerCase();
  }

  test('an uploaded pair is served by every node, and its key is shown to nobody', async () => {
    const { chainPem, keyPem } = await own.issue('shop.example');
    front = await call<Certificate>('POST', '/certificates', {
      name: 'shop',
      pem: chainPem + own.caPem,
      keyPem,
    });
    assert.deepEqual([front.hasKey, front.certificates], [true, 2]);
    secure = await cluster.admin.createDestination(site.gateway.id, {
      name: 'secure',
      resource: { host: echo.host, port: echo.port },
      front: {
        host: 'shop.example',
        port: await freeFrontPort(),
        tls: { mode: 'server', certificateId: front.id },
      },
    });
    for (const node of [0, 1]) {
      assert.equal(await fingerprintShown(node), front.fingerprint);
      const socket = await dial(node);
      await echoes(socket, 'hello');
      socket.destroy();
    }
    const shown = await call<Certificate>('GET', `/certificates/${front.id}`);
    assert.equal(shown.usedBy[0]?.destinationId, secure.id);
    assert.doesNotMatch(JSON.stringify(shown), /PRIVATE KEY/);
  });

  test('what a destination is to name must be there and fit, and what it names cannot be deleted', async () => {
    const path = `/gateways/${site.gateway.id}/destinations/${secure.id}`;
    const patch = (tls: object): Promise<unknown> => call('PATCH', path, { front: { tls } });
    await assert.rejects(patch({ certificateId: 'none' }), {
      status: 400,
      message: /there is no certificate none/,
    });
    const root = await call<Certificate>('POST', '/certificates', { name: 'root', pem: own.caPem });
    await assert.rejects(patch({ certificateId: root.id }), { status: 400, message: /has no private key/ });
    const other = await own.issue('other.example');
    const wrong = await call<Certificate>('POST', '/certificates', {
      name: 'other',
      pem: other.chainPem,
      keyPem: other.keyPem,
    });
    await assert.rejects(patch({ certificateId: wrong.id }), {
      status: 400,
      message: /not for shop\.example/,
    });
    await assert.rejects(call('DELETE', `/certificates/${front.id}`), {
      status: 409,
      code: 'CERTSTORE_IN_USE',
    });
    await call('DELETE', `/certificates/${wrong.id}`);
  });

  test('replaced contents are at every node’s new handshakes once the API has answered, and open connections stay', async () => {
    const open = await dial(0);
    await echoes(open, 'before');
    const { chainPem, keyPem } = await own.issue('shop.example');
    const replaced = await call<Certificate>('PATCH', `/certificates/${front.id}`, { pem: chainPem, keyPem });
    assert.equal(replaced.contentRevision, 2);
    assert.notEqual(replaced.fingerprint, front.fingerprint);
    for (const node of [0, 1]) assert.equal(await fingerprintShown(node), replaced.fingerprint);
    await echoes(open, 'after');
    open.destroy();
  });

  test('a generated pair is downloaded once, for openssl to read', async () => {
    const passphrase = `p12 ${randomBytes(9).toString('base64url')}`;
    needles.push(textNeedle('the passphrase', passphrase));
    const client = await call<Generated>('POST', '/certificates/generate', {
      name: 'till',
      usage: 'client',
      subject: 'CN=till 7, O=Shop',
      gatewayId: site.gateway.id,
      format: 'p12',
      passphrase,
    });
    const p12 = join(folder, 'till.p12');
    writeFileSync(p12, Buffer.from(client.download.base64, 'base64'), { mode: 0o600 });
    const { stdout } = await run('openssl', [
      'pkcs12',
      '-in',
      p12,
      '-passin',
      `pass:${passphrase}`,
      '-nodes',
    ]);
    const [key = ''] = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/.exec(stdout) ?? [];
    needles.push(keyNeedle('a generated key', `${key}\n`));
    const leaf = new X509Certificate(stdout.slice(stdout.indexOf('-----BEGIN CERTIFICATE')));
    assert.equal(leaf.fingerprint256.replaceAll(':', '').toLowerCase(), client.fingerprint);
    const again = await call<object>('GET', `/certificates/${client.id}`);
    assert.equal('download' in again, false);
  });

  test('a token and an API key are answered again to who repeats the request, and are in what is kept for it unread', async () => {
    const requests = [
      ['a token that was shown again', `/gateways/${site.gateway.id}/tokens`, 'token', {}],
      ['an API key that was shown again', '/api-keys', 'key', { name: 'again', role: 'viewer' }],
    ] as const;
    for (const [what, path, field, body] of requests) {
      const headers = { 'idempotency-key': `once-${field}-0123456789` };
      const [first, again] = [
        await cluster.admin.send('POST', path, body, headers),
        await cluster.admin.send('POST', path, body, headers),
      ];
      assert.equal(first.status, 201);
      assert.deepEqual(again.body, first.body);
      needles.push(textNeedle(what, String((first.body as Record<string, unknown>)[field])));
    }
  });

  test('a client shows a resource the pair of its destination', async () => {
    const { chainPem, keyPem } = await own.issue('till.example');
    const pair = await call<Certificate>('POST', '/certificates', { name: 'till', pem: chainPem, keyPem });
    const ca = await call<Certificate>('POST', '/certificates', { name: 'shop CA', pem: own.caPem });
    const shown = await own.issue('db.example');
    const asking = { cert: shown.chainPem, key: shown.keyPem, ca: own.caPem, requestCert: true };
    const resource = createServer(asking, (socket) => socket.on('error', () => {}).pipe(socket));
    resource.listen(0, '127.0.0.1');
    await once(resource, 'listening');
    after(() => resource.close());
    const { port } = resource.address() as AddressInfo;
    await cluster.admin.putAccessList(site.gateway.id, [{ action: 'allow', host: '127.0.0.1', port: '*' }]);
    mutual = await cluster.admin.createDestination(site.gateway.id, {
      name: 'mutual',
      resource: {
        host: '127.0.0.1',
        port,
        tls: {
          mode: 'mutual',
          serverName: 'db.example',
          caCertificateIds: [ca.id],
          clientCertificateId: pair.id,
        },
      },
    });
    await untilServed(cluster, [mutual]);
    await until(
      'the resource takes it',
      10_000,
      async () => (await tryEcho(frontAt(cluster, mutual))) === 'echoed',
    );
  });

  test('the key-encryption key is changed during uploads with certstore killed in the middle, and nothing is lost', async () => {
    const [oldKey, newKey] = [readFileSync(keyFile(), 'utf8').trim(), randomBytes(32).toString('base64')];
    needles.push(textNeedle('the second key-encryption key', newKey));
    const made: Certificate[] = [];
    const upload = async (name: string): Promise<void> => {
      const { chainPem, keyPem } = await own.issue(name);
      made.push(await call<Certificate>('POST', '/certificates', { name, pem: chainPem, keyPem }));
    };
    for (let index = 0; index < 12; index += 1) await upload(`before-${index}.example`);
    writeFileSync(keyFile(), `${newKey}\n${oldKey}\n`);
    const begun = await call<KeyRotation>('POST', '/key-rotation');
    assert.equal(begun.keyIds.length, 2);
    assert(begun.total >= 12);
    const during = Promise.allSettled(
      Array.from({ length: 5 }, (_, index) => upload(`during-${index}.example`)),
    );
    await cluster.kill('certstore');
    await during;
    // Fronts go on on what the nodes hold.
    const socket = await dial(1);
    await echoes(socket, 'without certstore');
    socket.destroy();
    await cluster.restart('certstore');
    for (let index = 0; index < 5; index += 1) await upload(`after-${index}.example`);
    await until('every secret is under the new key', 20_000, async () => {
      const { state, left } = await call<KeyRotation>('GET', '/key-rotation');
      return state === 'done' && left === 0;
    });
    // The old key is needed no more: certstore starts without it, and a node that starts anew gets every key it serves with.
    writeFileSync(keyFile(), `${newKey}\n`);
    await cluster.kill('certstore');
    await cluster.restart('certstore');
    assert.deepEqual((await call<KeyRotation>('GET', '/key-rotation')).left, 0);
    await cluster.kill('edge-2');
    await cluster.restart('edge-2');
    const served = await until('the new node serves', 10_000, () => fingerprintShown(1));
    assert.equal(served, (await call<Certificate>('GET', `/certificates/${front.id}`)).fingerprint);
    for (const { id, fingerprint } of made) {
      assert.equal((await call<Certificate>('GET', `/certificates/${id}`)).fingerprint, fingerprint);
    }
  });

  test('no private key, token or passphrase is in the documents, on the bus, in a log, or in the memory of who does not need it', async () => {
    assert(needles.length > 25, 'the run has secrets');
    assert(heard.length > 300, 'the bus was heard');
    assert(
      heard.some((one) => one.startsWith('certstore.certificates.create')),
      'uploads crossed it',
    );
    assert(
      heard.some((one) => one.startsWith('certstore.material.node')),
      'so did contents for nodes',
    );
    assert.deepEqual(foundIn(heard.join('\n'), needles), [], 'on the bus');
    const dump = await dumped();
    for (const text of ['before-11.example', 'certstore_secrets', 'admin_idempotency'])
      assert(dump.includes(text), `the dump has ${text}`);
    assert.deepEqual(foundIn(dump, needles), [], 'in the documents');
    const stored = [...filesBelow(join(cluster.state, 'mongodb'))];
    for (const [path, text] of [
      ...filesBelow(join(cluster.state, 'logs')),
      ...stored,
      ...filesBelow(site.client.folder),
    ]) {
      // What only the client has, it has there.
      if (path === identityFile()) continue;
      assert.deepEqual(foundIn(text, needles), [], path);
    }
    for (const name of ['admin', 'router']) {
      const strings = await heapStrings(cluster.part(name), folder);
      assert(strings.includes('router.destinations.create'), `the heap of ${name} was read`);
      assert.deepEqual(foundIn(strings.join('\n'), needles), [], `in the heap of ${name}`);
    }
    await edgeAndClientHoldOnlyWhatTheyServe(['shop.example'], ['till.example']);
    // Who has nothing more to serve with a key holds it no longer.
    for (const { id } of [secure, mutual]) await cluster.admin.deleteDestination(site.gateway.id, id);
    await edgeAndClientHoldOnlyWhatTheyServe([], []);
    // The search itself is no empty promise.
    const { keyPem } = await own.issue('probe.example');
    const probe = needles.slice(-1);
    const leaks = [keyPem, JSON.stringify({ keyPem }), Buffer.from(`x${keyPem}`).toString('base64')];
    for (const leak of leaks) assert.equal(foundIn(leak, probe).length, 1, leak.slice(0, 40));
  });

  /** The node holds the keys of the fronts that it serves, in their newest contents; the client those that it shows to resources. */
  async function edgeAndClientHoldOnlyWhatTheyServe(
    atNode: readonly string[],
    atClient: readonly string[],
  ): Promise<void> {
    const newest = (names: readonly string[]): (Needle | undefined)[] =>
      names.map((name) => needles.findLast(({ what }) => what === `the key of ${name}`));
    const places = [
      { part: cluster.part('edge-1'), keys: needles, serves: newest(atNode) },
      {
        part: site.client.part,
        // Its own token and key it has anyway.
        keys: needles.filter(({ what }) => !['the security token', "the client's own key"].includes(what)),
        serves: newest(atClient),
      },
    ];
    for (const { part, keys, serves } of places) {
      const served = serves.map((one) => one?.what);
      const held = await until(`${part.name} holds ${served.join(', ') || 'no key'}`, 10_000, async () => {
        const heap = (await heapStrings(part, folder)).join('\n');
        assert(heap.includes(site.gateway.id), `the heap of ${part.name} was read`);
        const found = keys.filter((one) => foundIn(heap, [one]).length > 0);
        assert.deepEqual(
          found.map(({ what }) => what),
          served,
        );
        return found;
      });
      assert.deepEqual(held, serves);
    }
  }

  /** Every document of every collection of the database. */
  async function dumped(): Promise<string> {
    const { url, database } = cluster.documents;
    await using server = await MongoClient.connect(url);
    const lines: string[] = [];
    for (const collection of await server.db(database).collections()) {
      lines.push(collection.collectionName);
      for await (const document of collection.find()) lines.push(JSON.stringify(document));
    }
    return lines.join('\n');
  }

  let nextPort = 0;
  async function freeFrontPort(): Promise<number> {
    const fronts = await cluster.admin.fronts();
    nextPort = Math.max(cluster.layout.frontPortFirst, nextPort, ...fronts.map(({ port }) => port)) + 1;
    return nextPort;
  }
});
