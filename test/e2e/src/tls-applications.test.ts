// Applications that bring TLS of their own through fronts by name: gRPC and a MongoDB driver passed through or ended at
// the node, psql with full verification and client certificates, made by a CA of the field or by the platform.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { after, before, test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import type { Certificate, DestinationInput } from '@postern/contracts';
import { tool } from '@postern/scripts/install';
import {
  type Endpoint,
  type ProcessResource,
  type ShownDestination,
  type Site,
  type StandaloneProcess,
  bootStandalone,
  makeScratch,
  removeScratch,
  startMongodbResource,
  startPostgresql,
  startSite,
  untilServed,
} from '@postern/test-cluster';
import { freePort, until } from '@postern/test-kit';
import { MongoClient } from 'mongodb';
import { type Pair, TestCa, storeCertificate } from './fixture/certificate-store.ts';
import { run } from './fixture/run.ts';
import { toldAfter } from './fixture/told.ts';

let platform: StandaloneProcess;
let site: Site;
let folder: string;
let ca: TestCa;
let clients: TestCa;
let otherCa: TestCa;
let frontPair: Pair;
let ids: { front: string; serverCa: string; clientCa: string };
let postgresql: ProcessResource;
let strictPostgresql: ProcessResource;
let mongodb: ProcessResource;
let rpc: { server: grpc.Server; port: number };

before(async () => {
  folder = await makeScratch('tls-applications');
  [ca, clients, otherCa] = (await Promise.all(
    ['Server CA', 'Client CA', 'Other CA'].map((name) => TestCa.make(name)),
  )) as [TestCa, TestCa, TestCa];
  const issue = (name: string) => ca.issue({ names: [name], usage: 'server' });
  frontPair = await issue('*.corp.example');
  const [dbPair, mongoPair, rpcPair] = [
    await issue('db.corp.example'),
    await issue('docs.corp.example'),
    await issue('rpc.corp.example'),
  ];
  [platform, postgresql, strictPostgresql, mongodb, rpc] = await Promise.all([
    bootStandalone(),
    startPostgresql(),
    startPostgresql({ ...dbPair, clientCaPem: clients.caPem }),
    startMongodbResource(mongoPair),
    startRpc(rpcPair),
  ]);
  ids = {
    front: (await storeCertificate(platform, frontPair)).id,
    serverCa: (await storeCertificate(platform, { certPem: ca.caPem })).id,
    clientCa: (await storeCertificate(platform, { certPem: clients.caPem })).id,
  };
  site = await startSite(platform, { resources: {} });
  await platform.admin.putAccessList(site.gateway.id, [{ action: 'allow', host: '*', port: '*' }]);
});
after(async () => {
  rpc?.server.forceShutdown();
  await site?.stop();
  await platform?.stop();
  await Promise.all([postgresql, strictPostgresql, mongodb].map((resource) => resource?.stop()));
  removeScratch(folder);
});

async function make(
  name: string,
  resource: DestinationInput['resource'],
  front: NonNullable<DestinationInput['front']>,
): Promise<ShownDestination> {
  const made = await platform.admin.createDestination(site.gateway.id, { name, resource, front });
  await untilServed(platform, [made]);
  return made;
}

/** The port of the fronts that a server name tells apart, at the node. */
function shared(): Endpoint {
  return { host: platform.nodeHosts[0] ?? '', port: Number(new URL(platform.connectUrl).port) };
}

async function keep(name: string, pem: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, pem, { mode: 0o600 });
  return path;
}

// ---- gRPC, without a schema: messages are bytes

const identity = (bytes: Buffer): Buffer => bytes;
const method = (path: string, streams: boolean): grpc.MethodDefinition<Buffer, Buffer> => ({
  path,
  requestStream: streams,
  responseStream: streams,
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
});
const service = {
  hash: method('/postern.Test/Hash', false),
  echo: method('/postern.Test/Echo', true),
} satisfies grpc.ServiceDefinition;

async function startRpc({ certPem, keyPem }: Pair): Promise<{ server: grpc.Server; port: number }> {
  const server = new grpc.Server();
  server.addService(service, {
    hash: (call: grpc.ServerUnaryCall<Buffer, Buffer>, answer: grpc.sendUnaryData<Buffer>) =>
      answer(null, createHash('sha256').update(call.request).digest()),
    echo: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
      call.on('data', (message: Buffer) => call.write(message));
      call.on('end', () => call.end());
    },
  });
  const pairs = [{ cert_chain: Buffer.from(certPem), private_key: Buffer.from(keyPem) }];
  const credentials = grpc.ServerCredentials.createSsl(null, pairs, false);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  return { server, port };
}

type RpcClient = grpc.Client & {
  hash(request: Buffer, answer: (error: grpc.ServiceError | null, value?: Buffer) => void): void;
  echo(): grpc.ClientDuplexStream<Buffer, Buffer>;
};

function rpcClient(name: string, caPem: string): RpcClient {
  const { host, port } = shared();
  const Client = grpc.makeGenericClientConstructor(service, 'Test');
  return new Client(`${host}:${port}`, grpc.credentials.createSsl(Buffer.from(caPem)), {
    'grpc.ssl_target_name_override': name,
    'grpc.default_authority': name,
  }) as unknown as RpcClient;
}

function hashBy(client: RpcClient, message: Buffer): Promise<string> {
  return new Promise((resolve) => {
    client.hash(message, (error, value) => resolve(error?.message ?? value?.toString('hex') ?? ''));
  });
}

test('gRPC is passed through by its name: unary calls, streams both ways, and the server’s own certificate', async () => {
  const resource = { host: '127.0.0.1', port: rpc.port };
  await make('rpc', resource, { host: 'rpc.corp.example', tls: { mode: 'passthrough' } });
  const client = rpcClient('rpc.corp.example', ca.caPem);
  const message = randomBytes(1_000_000);
  const hash = createHash('sha256').update(message).digest('hex');
  await until(
    () => hashBy(client, message),
    (answer) => answer === hash,
  );
  const stream = client.echo();
  for (let index = 0; index < 50; index += 1) {
    const one = randomBytes(1 + index * 997);
    const back = new Promise<Buffer>((resolve) => stream.once('data', resolve));
    stream.write(one);
    assert.ok(one.equals(await back), `message ${index}`);
  }
  const ended = new Promise((resolve) => stream.once('end', resolve));
  stream.end();
  await ended;
  client.close();
  const stranger = rpcClient('rpc.corp.example', otherCa.caPem);
  assert.match(await hashBy(stranger, message), /UNAVAILABLE.*(?:certificate|issuer|verify)/i);
  stranger.close();
});

// ---- MongoDB's protocol

/** The driver tries so long before it says why no server will do. */
const refusedAfterMs = 700;

async function countBy(name: string, caPem: string, serverSelectionTimeoutMS = 30_000): Promise<number> {
  const { host, port } = shared();
  const client = new MongoClient(`mongodb://${host}:${port}/?directConnection=true`, {
    tls: true,
    ca: caPem,
    servername: name,
    serverSelectionTimeoutMS,
  });
  try {
    const items = client.db('shop').collection<{ _id: string; value: string }>(name);
    await items.deleteMany({});
    const values = Array.from({ length: 200 }, (_, index) => ({
      _id: `${index}`,
      value: randomBytes(2_000).toString('base64'),
    }));
    await items.insertMany(values);
    const found = await items.find({}).toArray();
    assert.deepEqual(
      new Map(found.map((one) => [one._id, one.value])),
      new Map(values.map((one) => [one._id, one.value])),
    );
    return await items.countDocuments({ _id: { $in: ['1', '2', 'none'] } });
  } finally {
    await client.close();
  }
}

test('a MongoDB driver verifies the certificate of a front, and that of the server behind one that passes TLS through', async () => {
  const resource = { host: '127.0.0.1', port: mongodb.port };
  const tls = { mode: 'tls' as const, serverName: 'docs.corp.example', caCertificateIds: [ids.serverCa] };
  await make('docs', resource, { host: 'docs.corp.example', tls: { mode: 'passthrough' } });
  await make(
    'ended',
    { ...resource, tls },
    {
      host: 'ended.corp.example',
      tls: { mode: 'server', certificateId: ids.front },
    },
  );
  for (const name of ['docs.corp.example', 'ended.corp.example']) {
    assert.equal(await countBy(name, ca.caPem), 2);
    await assert.rejects(
      countBy(name, otherCa.caPem, refusedAfterMs),
      /unable to (?:get|verify)|self.signed/i,
    );
  }
  // The platform's certificate is shown for a name that nobody has, and verified by nobody who knows another CA.
  await assert.rejects(countBy('nobody.corp.example', ca.caPem, refusedAfterMs), /unable to|self.signed/i);
});

// ---- psql

function psql(
  name: string,
  { host, port }: Endpoint,
  files: Record<string, string>,
  user = 'postgres',
): Promise<string> {
  const words = {
    host: name,
    hostaddr: host,
    port,
    user,
    dbname: 'postgres',
    sslmode: 'verify-full',
    ...files,
  };
  const connection = Object.entries(words).map(([key, value]) => `${key}=${value}`);
  const sql = 'select count(*), sum(i) from generate_series(1, 50000) i';
  return run(tool('psql'), [connection.join(' '), '-v', 'ON_ERROR_STOP=1', '-Atc', sql]);
}

const counted = '50000|1250025000\n';

async function clientFiles(name: string, pair: Pair, rootPem: string): Promise<Record<string, string>> {
  return {
    sslcert: await keep(`${name}.crt`, pair.certPem),
    sslkey: await keep(`${name}.key`, pair.keyPem),
    sslrootcert: await keep(`${name}.root`, rootPem),
  };
}

test('psql verifies fully and shows a client certificate, to a mutual front and to the database behind one that passes it on', async () => {
  await make(
    'mutual',
    { host: '127.0.0.1', port: postgresql.port },
    {
      host: 'pg.corp.example',
      tls: { mode: 'mutual', certificateId: ids.front, clientCaIds: [ids.clientCa] },
    },
  );
  const own = await freePort(shared().host);
  await make(
    'strict',
    { host: '127.0.0.1', port: strictPostgresql.port },
    {
      host: 'db.corp.example',
      port: own,
      tls: { mode: 'passthrough' },
    },
  );
  const places: [name: string, at: Endpoint][] = [
    ['pg.corp.example', shared()],
    ['db.corp.example', { ...shared(), port: own }],
  ];
  const right = await clients.issue({ commonName: 'postgres', usage: 'client' });
  const wrong = await otherCa.issue({ commonName: 'postgres', usage: 'client' });
  for (const [name, at] of places) {
    const files = await clientFiles('right', right, ca.caPem);
    assert.equal(await psql(name, at, files), counted, name);
    const none = { sslrootcert: files['sslrootcert'] ?? '', sslcert: join(folder, 'none') };
    await assert.rejects(psql(name, at, none), /certificate|closed the connection|reset|SSL/i);
    await assert.rejects(
      psql(name, at, await clientFiles('wrong', wrong, ca.caPem)),
      /unknown ca|SSL|closed|reset/i,
    );
    await assert.rejects(
      psql(name, at, await clientFiles('root', right, otherCa.caPem)),
      /certificate verify failed/,
    );
    // On the shared port nobody has that name, and nobody's certificate is shown.
    await assert.rejects(psql('else.corp.test', at, files), /does not match host name|reset|closed/);
  }
});

test('psql takes pairs that the platform generated, on both sides of a mutual front', async () => {
  const passphrase = randomBytes(12).toString('base64url');
  const generate = (body: object) =>
    platform.admin.call<Certificate & { download: { base64: string } }>(
      'POST',
      '/certificates/generate',
      body,
    );
  const client = await generate({
    name: 'till',
    usage: 'client',
    subject: 'CN=postgres',
    gatewayId: site.gateway.id,
    format: 'p12',
    passphrase,
  });
  const server = await generate({
    name: 'pg2',
    usage: 'server',
    subject: 'CN=pg2.corp.example',
    san: ['pg2.corp.example'],
  });
  const p12 = join(folder, 'till.p12');
  await writeFile(p12, Buffer.from(client.download.base64, 'base64'), { mode: 0o600 });
  const part = (...which: string[]) =>
    run('openssl', ['pkcs12', '-in', p12, '-passin', `pass:${passphrase}`, '-nodes', ...which]);
  const pair = { certPem: await part('-clcerts', '-nokeys'), keyPem: await part('-nocerts') };
  const clientCa = await storeCertificate(platform, { certPem: await part('-cacerts', '-nokeys') });
  await make(
    'generated',
    { host: '127.0.0.1', port: postgresql.port },
    {
      host: 'pg2.corp.example',
      tls: { mode: 'mutual', certificateId: server.id, clientCaIds: [clientCa.id] },
    },
  );
  const files = await clientFiles('till', pair, await readFile(platform.caFile, 'utf8'));
  assert.equal(await psql('pg2.corp.example', shared(), files), counted);
  const foreign = await clients.issue({ commonName: 'postgres', usage: 'client' });
  const others = await clientFiles('foreign', foreign, await readFile(platform.caFile, 'utf8'));
  await assert.rejects(psql('pg2.corp.example', shared(), others), /SSL|closed|reset/i);
});

// ---- a front's own certificate, where it is wrong

/** How a caller that verifies fares with a name: `secure`, or the code of what is wrong. */
function verifiedBy(name: string, ca_: string): Promise<string> {
  const { host, port } = shared();
  return new Promise((resolve) => {
    const socket = connectTls({ host, port, servername: name, ca: ca_ });
    socket.on('secureConnect', () => {
      resolve('secure');
      socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

test('an expired certificate is refused where it is uploaded, one for other names where it is given to a front', async () => {
  const { admin } = platform;
  const old = await ca.issue({
    names: ['f.corp.example'],
    usage: 'server',
    notAfter: new Date(Date.now() - 1_000),
  });
  const upload = await admin.send('POST', '/certificates', {
    name: 'old',
    pem: old.certPem,
    keyPem: old.keyPem,
  });
  assert.deepEqual([upload.status, (upload.body as { code: string }).code], [400, 'CERTSTORE_EXPIRED']);
  const path = `/gateways/${site.gateway.id}/destinations`;
  const tls = { mode: 'server', certificateId: ids.front };
  const resource = { host: '127.0.0.1', port: postgresql.port };
  const wrong = await admin.send('POST', path, {
    name: 'w',
    resource,
    front: { host: 'f.other.example', tls },
  });
  assert.equal(wrong.status, 400);
  assert.match(
    JSON.stringify(wrong.body),
    /front\/tls\/certificateId.*is for DNS:\*\.corp\.example, not for f\.other\.example: use one that names it/,
  );
  const right = await make('f', resource, {
    host: 'f.corp.example',
    tls: { mode: 'server', certificateId: ids.front },
  });
  const renamed = await admin.send('PATCH', `${path}/${right.id}`, { front: { host: 'f.other.example' } });
  assert.match(JSON.stringify(renamed.body), /not for f\.other\.example/);
  await until(
    () => verifiedBy('f.corp.example', ca.caPem),
    (answer) => answer === 'secure',
  );
});

test('a certificate that ends while its front is served is named by the API, to callers that verify, and in the log', async () => {
  const notAfter = new Date(Date.now() + 3_000);
  const pair = await ca.issue({ names: ['ends.corp.example'], usage: 'server', notAfter });
  const { id: certificateId } = await storeCertificate(platform, pair);
  const { id } = await make(
    'ends',
    { host: '127.0.0.1', port: postgresql.port },
    {
      host: 'ends.corp.example',
      tls: { mode: 'server', certificateId },
    },
  );
  const call = () => verifiedBy('ends.corp.example', ca.caPem);
  await until(call, (answer) => answer === 'CERT_HAS_EXPIRED');
  const shown = await platform.admin.destination(site.gateway.id, id);
  const warning = shown.warnings.find(({ code }) => code === 'CERTSTORE_EXPIRED');
  assert.equal(warning?.path, '/front/tls/certificateId');
  assert.match(warning?.message ?? '', /^it ended on \d{4}-.*: replace it$/);
  // Node ends the connection without a word; OpenSSL says by an alert why.
  const { host, port } = shared();
  const openssl = ['s_client', '-connect', `${host}:${port}`, '-servername', 'ends.corp.example'];
  const verifying = [...openssl, '-verify_return_error', '-CAfile', await keep('server-ca.pem', ca.caPem)];
  const line = await toldAfter(platform.part, [`"destinationId":"${id}"`, 'EDGE_TLS_HANDSHAKE'], () =>
    assert.rejects(run('openssl', verifying), /certificate has expired/),
  );
  assert.match(String(line.msg), /certificate ended on .* replace the certificate|expired: replace it/);
});
