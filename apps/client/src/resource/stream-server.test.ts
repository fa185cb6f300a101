import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it } from 'node:test';
import { type AccessRule, compileAccessList } from '@postern/access';
import { FileReserve, type Tracing, createLogger, silentLogger } from '@postern/telemetry';
import { Compression, Endpoint, type Session, memoryCarrierPair, resetCodeName } from '@postern/tunnel';
import { AccessGuard } from './access-guard.ts';
import { Hosts, type ResourceHosts } from '@postern/dial';
import { StreamServer, type StreamServerOptions } from './stream-server.ts';

const neverResolving: ResourceHosts = {
  resolve: async (_host, signal) => {
    await once(signal, 'abort');
    throw signal.reason;
  },
};

const metadata = {
  destinationId: 'd',
  host: 'db',
  port: 1,
  connectTimeoutSeconds: 0,
  trackingId: 't',
  caller: { address: 'a', port: 1 },
};

const rule = (action: 'allow' | 'deny', host: string): AccessRule => ({ action, host, port: '*' });

/** A node and a client in memory, the client with a server of streams, which never finishes a dial unless `hosts` do. */
async function pair(
  pendingDialsMax: number,
  {
    hosts = neverResolving,
    tracing = () => null,
    files = new FileReserve(() => null),
    logger = silentLogger,
  }: Partial<Pick<StreamServerOptions, 'files' | 'hosts' | 'logger' | 'tracing'>> = {},
) {
  const guard = new AccessGuard();
  guard.setGatewayList(1, { revision: 1, rules: [{ action: 'allow', host: '*', port: '*' }] });
  const server = new StreamServer({
    guard,
    hosts,
    material: async () => [],
    logger,
    compression: new Compression(),
    files,
    tracing,
    clientId: () => 'client',
    pendingDialsMax,
  });
  const node = new Endpoint({ self: { id: 'node', bootId: 'boot-node' } });
  const client = new Endpoint({
    self: { id: 'client', bootId: 'boot-client' },
    onOpen: (stream) => void server.serve(stream),
  });
  const [near, far] = memoryCarrierPair();
  const [session] = await Promise.all([
    node.accept(near, {
      hello: {},
      authenticate: async () => ({ peer: { scope: 'g', id: 'client', bootId: 'boot-client' }, welcome: {} }),
    }),
    client.connect(far, {
      answer: async () => ({}),
      welcome: () => ({ scope: 'g', id: 'node', bootId: 'boot-node', trusted: true }),
    }),
  ]);
  return {
    guard,
    server,
    open: (body: unknown) => resetName(node, session, body),
    close: () => {
      node.close();
      client.close();
    },
  };
}

function resetName(node: Endpoint, session: Session, body: unknown) {
  const stream = node.open(session, body);
  const reset = new Promise<string>((resolve) => {
    stream.events = { onReset: (code) => resolve(resetCodeName(code)) };
  });
  return { stream, reset };
}

describe('stream server', () => {
  it('refuses an OPEN that does not say what to dial', async (t) => {
    const { open, close } = await pair(1);
    t.after(close);
    assert.equal(await open({ host: 1 }).reset, 'Protocol');
    assert.equal(await open({ ...metadata, port: 0 }).reset, 'Protocol');
  });

  it('takes an OPEN whose traceparent is none, and does not trace it', async (t) => {
    const start = (name: string): never => assert.fail(`a span ${name} was begun`);
    const tracing = (): Tracing => ({ start });
    const { server, open, close } = await pair(9, { tracing });
    t.after(close);
    const none = [
      `01-${'a'.repeat(52)}`,
      `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`,
      `00-${'a'.repeat(32)}-${'0'.repeat(16)}-01`,
      'x'.repeat(1000),
      7,
      null,
    ];
    for (const traceparent of none) open({ ...metadata, traceparent });
    assert.equal(await open({}).reset, 'Protocol');
    assert.equal(server.pendingCount, none.length);
  });

  it('passes over what a later version has put into OPEN', async (t) => {
    const { server, open, close } = await pair(1);
    t.after(close);
    const { stream } = open({ ...metadata, later: 'unknown' });
    assert.equal(await open(metadata).reset, 'Limit');
    assert.equal(server.pendingCount, 1);
    stream.reset(1, 'gone');
  });

  it('dials no more than its bound at once, and frees a place when a stream has gone', async (t) => {
    const { server, open, close } = await pair(2);
    t.after(close);
    const first = open(metadata);
    open(metadata);
    assert.equal(await open(metadata).reset, 'Limit');
    assert.equal(server.pendingCount, 2);
    first.stream.reset(1, 'gone');
    // Answered in order, so the reset before it has arrived.
    assert.equal(await open({}).reset, 'Protocol');
    assert.equal(server.pendingCount, 1);
  });

  it('refuses streams while few file descriptors are left, and says so in one line a second', async (t) => {
    const lines: string[] = [];
    const logger = createLogger({ name: 'x', destination: { write: (line) => void lines.push(line) } });
    const { open, close } = await pair(9, { logger, files: new FileReserve(() => ({ open: 15, max: 16 })) });
    t.after(close);
    const started = Math.floor(performance.now() / 1000);
    for (let streams = 0; streams < 60; streams += 1) assert.equal(await open(metadata).reset, 'Limit');
    assert.ok(lines.length <= Math.floor(performance.now() / 1000) - started + 1);
    assert.match(lines[0] ?? '', /a stream was refused: the client has few file descriptors left/);
  });

  it('refuses a stream that a list has come to deny while its resource was dialled', async (t) => {
    const resource = createServer().listen(0, '127.0.0.1');
    await once(resource, 'listening');
    const { port } = resource.address() as AddressInfo;
    const [asked, found] = [Promise.withResolvers<void>(), Promise.withResolvers<string[]>()];
    const waiting: ResourceHosts = {
      resolve: () => {
        asked.resolve();
        return found.promise;
      },
    };
    const { guard, server, open, close } = await pair(1, { hosts: waiting });
    t.after(() => {
      close();
      resource.close();
    });
    const { reset } = open({ ...metadata, port, connectTimeoutSeconds: 5 });
    await asked.promise;
    guard.setGatewayList(1, { revision: 2, rules: [] });
    server.recheck();
    found.resolve(['127.0.0.1']);
    assert.equal(await reset, 'Denied');
    assert.equal(server.runningCount, 0);
  });

  it('dials nothing that the owner denies, in whatever way the platform names it', async (t) => {
    const resource = createServer((socket) => void socket.resetAndDestroy()).listen(0, '127.0.0.1');
    await once(resource, 'listening');
    const { port } = resource.address() as AddressInfo;
    let connections = 0;
    resource.on('connection', () => (connections += 1));
    const hosts = new Hosts({ 'proxy.corp': '127.0.0.1', 'a.b': '0.0.0.0' }).of('g');
    const { guard, open, close } = await pair(1, { hosts });
    t.after(() => {
      close();
      resource.close();
    });
    guard.setOwnList(
      compileAccessList([rule('allow', '*'), rule('deny', '127.0.0.0/8'), rule('deny', '::1')]),
    );
    const place = { ...metadata, port, connectTimeoutSeconds: 5 };
    for (const host of ['127.0.0.1', '::ffff:127.0.0.1', '::ffff:127.0.0.1%lo', '0.0.0.0', '::', 'a.b'])
      assert.equal(await open({ ...place, host }).reset, 'Denied', host);
    for (const host of ['127.0.0.1', '0.0.0.0', 'proxy.corp', '::ffff:127.0.0.1%lo']) {
      const proxy = { type: 'socks5', host, port };
      assert.match(await open({ ...place, host: 'db.corp', proxy }).reset, /Denied|ProxyFailed/, host);
    }
    assert.equal(connections, 0);
  });

  it('keeps no datagrams for a stream that takes none', async (t) => {
    const { server, open, close } = await pair(2);
    t.after(close);
    const { stream } = open(metadata);
    for (let turn = 0; turn < 2; turn += 1) {
      for (let sent = 0; sent < 4; sent += 1) assert.equal(stream.sendDatagram(Buffer.alloc(60_000)), 0);
      assert.equal(await open({}).reset, 'Protocol');
    }
    assert.equal(server.counts.datagramsDropped, 0);
  });

  it('gives up every dial when it is closed', async (t) => {
    const { server, open, close } = await pair(2);
    t.after(close);
    const { reset } = open(metadata);
    assert.equal(await open({}).reset, 'Protocol');
    server.close();
    assert.equal(await reset, 'ShuttingDown');
    assert.equal(server.pendingCount, 0);
  });
});
