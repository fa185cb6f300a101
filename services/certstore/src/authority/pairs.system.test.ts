// Generated pairs as they are downloaded, held against the programs that will read them.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { X509Certificate, createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type Server, createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { type Bus, MemoryHub } from '@postern/bus';
import {
  type Certificate,
  type CertificateDownload,
  type GenerateInput,
  ServiceError,
  answer,
  ask,
  deleteCertificate,
  generateCertificate,
  getCa,
  getCertificate,
  getGateway,
  getIntakeKey,
  listCertificates,
  issueServerCertificate,
  updateCertificate,
} from '@postern/contracts';
import { type Store, openSqlite } from '@postern/store';
import type { Service } from '@postern/telemetry';
import { createSigningRequest, generateKey, openSealed, sealText } from '@postern/tls';
import { strFromU8, unzipSync } from 'fflate';
import { RouteOwner } from '../fixture/route-owner.ts';
import { createCertstore } from '../service.ts';

const run = promisify(execFile);
const code = (expected: string) => (error: unknown) =>
  error instanceof Error && 'code' in error && error.code === expected;

describe('a generated pair', () => {
  let folder: string;
  let bus: Bus;
  let store: Store;
  let service: Service;
  let routes: RouteOwner;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'postern-pairs-'));
    store = openSqlite(':memory:');
    const hub = new MemoryHub();
    bus = hub.connect();
    routes = new RouteOwner(hub.connect());
    answer(hub.connect(), getGateway, ({ id }) => {
      if (id === 'g1') {
        const at = new Date().toISOString();
        const flags = { enabled: true, requireToken: true, connected: false, clients: 0 };
        return { id, revision: 1, createdAt: at, modifiedAt: at, name: 'office', description: '', ...flags };
      }
      throw new ServiceError({ code: 'ROUTER_GATEWAY_NOT_FOUND', message: 'none', status: 404 });
    });
    const options = { keyEncryptionKey: randomBytes(32).toString('base64'), platformHost: 'gw.example.com' };
    service = createCertstore({ bus: hub.connect(), store, options });
    await service.start();
  });
  after(async () => {
    await service.stop();
    routes.close();
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function generate(
    input: GenerateInput,
  ): Promise<{ certificate: Certificate; file: Buffer; download: CertificateDownload }> {
    const { publicKey, privateKey } = generateKeyPairSync('x25519');
    const recipient = publicKey.export({ format: 'jwk' }) as { kty: 'OKP'; crv: 'X25519'; x: string };
    const { key } = await ask(bus, getIntakeKey, {});
    const sealed = await sealText(key, JSON.stringify(input));
    const { certificate, sealedDownload } = await ask(bus, generateCertificate, { sealed, recipient });
    const download = JSON.parse(await openSealed(privateKey, sealedDownload)) as CertificateDownload;
    return { certificate, download, file: Buffer.from(download.base64, 'base64') };
  }

  function unzip(file: Buffer): Record<string, string> {
    return Object.fromEntries(
      Object.entries(unzipSync(file)).map(([name, bytes]) => [name, strFromU8(bytes)]),
    );
  }

  function save(name: string, contents: string | Buffer): string {
    const path = join(folder, name);
    writeFileSync(path, contents, { mode: 0o600 });
    return path;
  }

  it('is not made while the clock is not the database’s, nor a CA for it', async () => {
    store.time = async () => Date.now() - 100 * 86_400_000;
    const input = { name: 'off', subject: 'CN=off.example' };
    for (const usage of ['server', 'client'] as const)
      await assert.rejects(generate({ ...input, usage }), code('STORE_CLOCK_OFF'));
    store.time = async () => null;
    const authorities = await store.collection('certstore_authorities');
    assert.equal(await authorities.get('clients'), null);
    assert.equal((await ask(bus, listCertificates, {})).items.length, 0);
  });

  it('for a server is of the platform’s CA, and curl takes it', async () => {
    const { certificate, file, download } = await generate({
      name: 'shop front',
      usage: 'server',
      subject: 'CN=shop.example, O=Shop Ltd',
      san: ['localhost', '127.0.0.1'],
    });
    assert.deepEqual([certificate.kind, certificate.hasKey, certificate.certificates], ['server', true, 2]);
    assert.deepEqual(certificate.san, ['DNS:shop.example', 'DNS:localhost', 'IP:127.0.0.1']);
    assert.match(certificate.subject, /O=Shop Ltd/);
    assert.equal(download.fileName, 'shop-front.zip');
    const issuer = await ask(bus, getCertificate, { id: certificate.issuerId ?? '' });
    assert.equal(issuer.kind, 'ca');
    assert.equal(issuer.hasKey, false);
    const { 'certificate.pem': cert = '', 'key.pem': key = '', 'ca.pem': ca = '' } = unzip(file);
    assert.equal(ca, (await ask(bus, getCa, {})).pem);
    const server = await listen(createServer({ cert, key }, (_request, response) => response.end('hello')));
    const { port } = server.address() as AddressInfo;
    const url = `https://localhost:${port}/`;
    const { stdout } = await run('curl', ['--silent', '--fail', '--cacert', save('ca.pem', ca), url]);
    assert.equal(stdout, 'hello');
    server.close();
  });

  it('for a client is of the gateway’s CA, and opens what asks for one of that CA and nothing else', async () => {
    const input = { name: 'till', usage: 'client', subject: 'till 7' } as const;
    const mine = await generate({ ...input, gatewayId: 'g1' });
    const again = await generate({ ...input, gatewayId: 'g1' });
    const other = await generate(input);
    assert.equal(mine.certificate.issuerId, again.certificate.issuerId);
    assert.notEqual(mine.certificate.issuerId, other.certificate.issuerId);
    const itsCa = { id: other.certificate.issuerId ?? '' };
    await assert.rejects(ask(bus, deleteCertificate, itsCa), code('CERTSTORE_IN_USE'));
    await ask(bus, deleteCertificate, { id: other.certificate.id });
    await ask(bus, deleteCertificate, itsCa);
    const serverPair = unzip((await generate({ name: 's', usage: 'server', subject: 'localhost' })).file);
    const { 'ca.pem': clientCa = '' } = unzip(mine.file);
    const options = { cert: serverPair['certificate.pem'], key: serverPair['key.pem'], ca: clientCa };
    const server = await listen(
      createServer({ ...options, requestCert: true, rejectUnauthorized: true }, (_request, response) =>
        response.end('in'),
      ),
    );
    const { port } = server.address() as AddressInfo;
    const ca = save('server-ca.pem', serverPair['ca.pem'] ?? '');
    const curl = async ({ file }: { file: Buffer }): Promise<string> => {
      const pair = unzip(file);
      const cert = save('client.pem', pair['certificate.pem'] ?? '');
      const key = save('client.key', pair['key.pem'] ?? '');
      const args = [
        '--silent',
        '--fail',
        '--cacert',
        ca,
        '--cert',
        cert,
        '--key',
        key,
        `https://localhost:${port}/`,
      ];
      return (await run('curl', args)).stdout;
    };
    assert.equal(await curl(mine), 'in');
    assert.equal(await curl(again), 'in');
    await assert.rejects(curl(other));
    server.close();
  });

  it('as P12 opens in OpenSSL and in Java, with its passphrase only', async () => {
    const passphrase = 'correct horse';
    const { file } = await generate({
      name: 'till',
      usage: 'client',
      subject: 'till',
      format: 'p12',
      passphrase,
    });
    const path = save('till.p12', file);
    const { stdout } = await run('openssl', [
      'pkcs12',
      '-in',
      path,
      '-passin',
      `pass:${passphrase}`,
      '-nodes',
    ]);
    assert.equal(stdout.match(/BEGIN CERTIFICATE/g)?.length, 2);
    const key = createPrivateKey(
      /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/.exec(stdout)?.[0] ?? '',
    );
    assert(new X509Certificate(stdout.slice(stdout.indexOf('-----BEGIN CERTIFICATE'))).checkPrivateKey(key));
    await assert.rejects(run('openssl', ['pkcs12', '-in', path, '-passin', 'pass:wrong', '-nodes']));
    const keytool = ['-list', '-v', '-keystore', path, '-storetype', 'PKCS12', '-storepass', passphrase];
    const listed = await run('keytool', keytool).catch((error: NodeJS.ErrnoException) => {
      // Java is not on every machine.
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    if (listed !== null) assert.match(listed.stdout, /PrivateKeyEntry[\s\S]*chain length: 2/i);
  });

  it('as zip has an encrypted key where a passphrase was given', async () => {
    const { file } = await generate({ name: 'x', usage: 'client', subject: 'x', passphrase: 'secret' });
    const { 'key.pem': key = '' } = unzip(file);
    assert.match(key, /ENCRYPTED PRIVATE KEY/);
    assert.doesNotThrow(() => createPrivateKey({ key, passphrase: 'secret' }));
  });

  it('is for the names and days that were asked for, and for a year where none were', async () => {
    const daysOf = ({ notAfter }: Certificate): number =>
      Math.round((Date.parse(notAfter) - Date.now()) / 86_400_000);
    const input = { name: '../..', usage: 'server', subject: 'Shop Front', days: 10 } as const;
    const { certificate, download } = await generate({ ...input, san: ['SHOP.example'] });
    assert.deepEqual([certificate.san, daysOf(certificate)], [['DNS:shop.example'], 10]);
    assert.equal(download.fileName, 'pair.zip');
    const client = await generate({ name: '.till', usage: 'client', subject: 'till.example' });
    assert.deepEqual([client.certificate.san, daysOf(client.certificate)], [[], 365]);
    assert.equal(client.download.fileName, 'till.zip');
  });

  it('that gets uploaded contents in place of its own is of that CA no more', async () => {
    const { certificate, file } = await generate({ name: 'x', usage: 'client', subject: 'x' });
    const { 'certificate.pem': cert = '' } = unzip(file);
    const { key } = await ask(bus, getIntakeKey, {});
    const sealed = await sealText(key, JSON.stringify({ files: [Buffer.from(cert).toString('base64')] }));
    const after = await ask(bus, updateCertificate, { id: certificate.id, patch: {}, sealed });
    assert.equal(after.issuerId, null);
  });

  it('is never for the platform’s own names, nor for a gateway that there is not', async () => {
    for (const subject of [
      'gw.example.com',
      '*.example.com',
      'edge-1.tunnel.gw.example.com',
      'x.node.postern.internal',
    ]) {
      const input = { name: 'x', usage: 'server', subject } as const;
      await assert.rejects(generate(input), code('CERTSTORE_NAME_REFUSED'), subject);
    }
    const client = { name: 'x', usage: 'client', subject: 'x', gatewayId: 'g2' } as const;
    await assert.rejects(generate(client), code('ROUTER_GATEWAY_NOT_FOUND'));
  });

  it('is never for a name that a service has a certificate for beside the platform’s host, nor for one that covers it', async () => {
    const certify = async (name: string, names: string[]): Promise<void> => {
      const csrPem = await createSigningRequest({ keyPem: await generateKey(), commonName: name });
      const holder = { kind: 'service', name } as const;
      await ask(bus, issueServerCertificate, { csrPem, names, addresses: [], holder });
    };
    await certify('admin', ['GW.example.com', 'Admin.gw.example.com']);
    for (const subject of ['admin.gw.example.com', '*.gw.example.com'])
      await assert.rejects(
        generate({ name: 'x', usage: 'server', subject: `CN=${subject}` }),
        code('CERTSTORE_NAME_REFUSED'),
        subject,
      );
    await certify('edge-1', ['front.gw.example.com']);
    await generate({ name: 'a front', usage: 'server', subject: 'CN=front.gw.example.com' });
  });

  it('is refused by name of the field where the order is wrong', async () => {
    const wrong: [Partial<GenerateInput>, string][] = [
      [{ format: 'p12' }, '/passphrase'],
      [{ passphrase: 'ä' }, '/passphrase'],
      [{ subject: 'O=nobody' }, '/subject'],
      [{ subject: 'CN=x, XX=y' }, '/subject'],
      [{ subject: 'CN=x, C=Deutschland' }, '/subject'],
      [{ usage: 'server', subject: 'no host' }, '/san'],
      [{ usage: 'server', subject: 'a.example', gatewayId: 'g1' }, '/gatewayId'],
      [{ usage: 'server', subject: 'a.example', san: ['not a name'] }, '/san'],
      [{ days: 0 }, '/days'],
    ];
    for (const [change, path] of wrong) {
      await assert.rejects(
        generate({ name: 'x', usage: 'client', subject: 'x', ...change }),
        (error) =>
          error instanceof ServiceError &&
          error.code === 'CERTSTORE_INVALID' &&
          error.body.errors?.[0]?.path === path,
        JSON.stringify(change),
      );
    }
  });
});

async function listen(server: Server): Promise<Server> {
  server.listen(0, 'localhost');
  await once(server, 'listening');
  return server;
}
