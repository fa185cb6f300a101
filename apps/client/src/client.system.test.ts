import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, type Server, type Socket, createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, describe, it } from 'node:test';
import { silentLogger } from '@postern/telemetry';
import { ResetCode, type Session, type Stream, joinSocket, resetCodeName } from '@postern/tunnel';
import { type ClientService, createClient } from './client.ts';
import { program } from './program.ts';
import { type ClientOptions, readOptions } from './options.ts';
import { Hosts } from '@postern/dial';
import { until } from '@postern/test-kit';
import { type TestNode, TestPlatform } from './platform/platform.fixture.ts';
import { proxyChooser } from './platform/proxy-choice.ts';
import { startConnectProxy } from './platform/proxy.fixture.ts';

const defaults = readOptions(program.parse(['g1', '--connect', 'https://gw.example'], {}), {});

interface Bench {
  readonly platform: TestPlatform;
  readonly client: ClientService;
  readonly connected: string[];
  /** The first tunnel is up. */
  readonly up: Promise<void>;
  /** The exit code that the client asked for. */
  readonly ended: Promise<number>;
  readonly folder: string;
}

interface BenchOptions extends Partial<ClientOptions> {
  gatewayIds?: string[];
  nodes?: number;
  tokens?: () => string | null;
  acl?: string;
  before?: (platform: TestPlatform) => void | Promise<void>;
  proxy?: (platform: TestPlatform) => string;
}

async function start(t: TestContext, options: BenchOptions = {}): Promise<Bench> {
  const platform = await TestPlatform.start(options.nodes ?? 1);
  t.after(() => platform.stop());
  const folder = mkdtempSync(join(tmpdir(), 'postern-client-'));
  await options.before?.(platform);
  const aclFile = options.acl === undefined ? null : join(folder, 'list.acl');
  if (aclFile !== null) writeFileSync(aclFile, options.acl ?? '');
  const ended = Promise.withResolvers<number>();
  const connected: string[] = [];
  const up = Promise.withResolvers<void>();
  const {
    gatewayIds = ['abc'],
    tokens = () => 'token',
    nodes: _nodes,
    before: _before,
    proxy,
    acl: _acl,
    ...rest
  } = options;
  const caFile = join(folder, 'ca.pem');
  writeFileSync(caFile, platform.caPem);
  const client = createClient({
    options: {
      gateways: gatewayIds.map((id) => ({ id, readToken: tokens, aclFile, logLevel: 'silent' })),
      connectUrl: platform.url,
      ca: { file: caFile, pem: platform.caPem },
      chooseProxy: proxyChooser(proxy?.(platform) ?? null, {}),
      hosts: new Hosts({}),
      transport: 'auto',
      reconnect: -1,
      tunnels: 2,
      listenHost: '127.0.0.1',
      callersMax: 100,
      http: defaults.http,
      name: 'test',
      state: join(folder, 'state'),
      ...rest,
    },
    version: '0',
    logger: silentLogger,
    ending: { end: (code) => ended.resolve(code) },
    onConnected: (gatewayId, clientId) => {
      connected.push(`${gatewayId} ${clientId}`);
      up.resolve();
    },
  });
  await client.start();
  t.after(async () => {
    for (const node of platform.nodes) node.endpoint.close();
    await client.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return { platform, client, connected, up: up.promise, ended: ended.promise, folder };
}

/** The first call names the first node alone. */
function listFirst(platform: TestPlatform): void {
  platform.listed = [platform.addressOf(platform.node(0))];
}

/** Resolves when `count` sessions have come up at the node since its start. */
async function sessions(node: TestNode, count: number): Promise<Session[]> {
  while (node.sessions.length < count) await node.nextSession();
  return node.sessions;
}

async function listen(t: TestContext, handle: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer({ allowHalfOpen: true }, handle);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

const echo = (t: TestContext): Promise<number> =>
  listen(t, (socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });

function open(
  node: TestNode,
  port: number,
  host = '127.0.0.1',
  session = node.sessions.find(({ usable }) => usable),
): Stream {
  assert(session !== undefined, 'the node has a tunnel');
  return node.endpoint.open(session, {
    destinationId: 'd',
    host,
    port,
    connectTimeoutSeconds: 5,
    trackingId: 't',
    caller: { address: '127.0.0.1', port: 1 },
  });
}

/** How a stream that is expected to fail was reset. */
function resetOf(stream: Stream): Promise<{ name: string; text: string }> {
  return new Promise((resolve) => {
    stream.events = { onReset: (code, text) => resolve({ name: resetCodeName(code), text }) };
  });
}

/** A caller's socket, joined to a stream as an edge does it. */
async function callerOf(t: TestContext, stream: Stream): Promise<Socket> {
  const accepted = Promise.withResolvers<Socket>();
  const port = await listen(t, accepted.resolve);
  const caller = createConnection({ port, host: '127.0.0.1', allowHalfOpen: true });
  void joinSocket(stream, await accepted.promise);
  t.after(() => caller.destroy());
  caller.on('error', () => {});
  return caller;
}

async function readAll(socket: Socket): Promise<string> {
  let text = '';
  for await (const piece of socket as AsyncIterable<Buffer>) text += piece.toString();
  return text;
}

describe('client', () => {
  it('holds two tunnels to two nodes and says once that it is connected', async (t) => {
    const { platform, connected, client, up } = await start(t, { nodes: 2 });
    await up;
    const [first] = await Promise.all(platform.nodes.map((node) => sessions(node, 1)));
    assert.equal(first?.[0]?.transport, 'direct');
    assert.deepEqual(connected, [`abc ${first?.[0]?.peer.id}`]);
    assert.equal(client.ready().ready, true);
    assert.equal(platform.calls.length, 1);
  });

  it('carries a stream to a resource and back, half-close included', async (t) => {
    const port = await echo(t);
    const { platform } = await start(t);
    await sessions(platform.node(), 1);
    const caller = await callerOf(t, open(platform.node(), port));
    caller.end('through the tunnel');
    assert.equal(await readAll(caller), 'through the tunnel');
  });

  it('resolves names by its hosts map', async (t) => {
    const port = await echo(t);
    const { platform } = await start(t, { hosts: new Hosts({ 'db.corp': '127.0.0.1' }) });
    await sessions(platform.node(), 1);
    const caller = await callerOf(t, open(platform.node(), port, 'DB.corp'));
    caller.end('named');
    assert.equal(await readAll(caller), 'named');
  });

  it('says why a resource cannot be reached', async (t) => {
    const { platform } = await start(t);
    await sessions(platform.node(), 1);
    assert.equal((await resetOf(open(platform.node(), 1))).name, 'Refused');
    const unresolved = await resetOf(open(platform.node(), 1, 'no-such-name.invalid'));
    assert.equal(unresolved.name, 'NotResolved');
    assert.match(unresolved.text, /--hosts/);
  });

  it('refuses what the gateway’s list denies, and what only its own file denies, and names the end', async (t) => {
    const { platform } = await start(t, { acl: 'acl allow 127.0.0.1:1\n' });
    platform.accessList = { revision: 1, rules: [{ action: 'allow', host: '127.0.0.1', port: '*' }] };
    await sessions(platform.node(), 1);
    const atGateway = await resetOf(open(platform.node(), 1, '127.0.0.2'));
    assert.deepEqual([atGateway.name, /the gateway's access list/.test(atGateway.text)], ['Denied', true]);
    const atClient = await resetOf(open(platform.node(), 2));
    assert.deepEqual([atClient.name, /the client's own access list/.test(atClient.text)], ['Denied', true]);
    assert.equal((await resetOf(open(platform.node(), 1))).name, 'Refused');
  });

  it('tells the platform its own rules, and again when its file was changed', async (t) => {
    const { platform, client, folder } = await start(t, { acl: 'acl allow :5432\n', tunnels: 1 });
    const node = platform.node();
    await sessions(node, 1);
    assert.deepEqual(node.hellos[0]?.ownRules, [{ action: 'allow', host: '*', port: '5432' }]);
    const told = new Promise((resolve) => {
      node.onControl = resolve;
    });
    writeFileSync(join(folder, 'list.acl'), 'acl deny :5432\n');
    client.reload();
    assert.deepEqual(await told, { kind: 'ownRules', rules: [{ action: 'deny', host: '*', port: '5432' }] });
  });

  it('keeps the former rules when the changed file is wrong', async (t) => {
    const { platform, client, folder } = await start(t, { acl: 'acl allow :1\n' });
    await sessions(platform.node(), 1);
    writeFileSync(join(folder, 'list.acl'), 'nonsense\n');
    client.reload();
    assert.equal((await resetOf(open(platform.node(), 1))).name, 'Refused');
    assert.equal((await resetOf(open(platform.node(), 2))).name, 'Denied');
  });

  it('resets running streams that a changed list no longer allows', async (t) => {
    const port = await echo(t);
    const { platform } = await start(t);
    await sessions(platform.node(), 2);
    const stream = open(platform.node(), port);
    await new Promise<void>((resolve) => {
      stream.events = { onOpened: resolve };
    });
    const reset = resetOf(stream);
    for (const session of platform.node().sessions)
      session.sendControl({ kind: 'accessList', revision: 2, rules: [] });
    assert.equal((await reset).name, 'Denied');
  });

  it('takes an access list that comes in one piece with WELCOME', async (t) => {
    const { client, up } = await start(t, {
      tunnels: 1,
      before: (platform) => {
        platform.node(0).onSession = (session) =>
          session.sendControl({ kind: 'accessList', revision: 2, rules: [] });
      },
    });
    await up;
    const [gateway] = (client.status() as { gateways: { accessListRevision: number }[] }).gateways;
    assert.equal(gateway?.accessListRevision, 2);
  });

  it('takes the WebSocket when the tunnel port is closed, and goes back to direct when it opens, without a break', async (t) => {
    const port = await echo(t);
    let tunnelPort = 0;
    const { platform } = await start(t, {
      tunnels: 1,
      before: async (platform) => {
        const node = platform.node();
        tunnelPort = node.port;
        platform.listed = [platform.addressOf(node)];
        await node.closePort();
      },
    });
    const node = platform.node();
    assert.equal((await sessions(node, 1))[0]?.transport, 'websocket');
    const caller = await callerOf(t, open(node, port));
    caller.write('first,');
    await once(caller, 'data');
    await node.listen(tunnelPort);
    assert.equal((await sessions(node, 2))[1]?.transport, 'direct');
    caller.end('second');
    assert.equal(await readAll(caller), 'second');
  });

  it('goes by WebSocket through a proxy that allows the platform’s port only', async (t) => {
    const port = await echo(t);
    const proxies: { close(): void }[] = [];
    t.after(() => proxies.forEach((proxy) => proxy.close()));
    const allowed = { host: '' };
    const proxy = await startConnectProxy({
      credentials: 'user:secret',
      refuse: (target) => target !== allowed.host,
    });
    proxies.push(proxy);
    const { platform } = await start(t, {
      proxy: (platform) => {
        allowed.host = platform.url.host;
        return `http://user:secret@127.0.0.1:${proxy.port}`;
      },
    });
    assert.equal((await sessions(platform.node(), 1))[0]?.transport, 'websocket');
    assert(proxy.targets.length >= 3, 'the first call, a direct try and the WebSocket');
    const caller = await callerOf(t, open(platform.node(), port));
    caller.end('by proxy');
    assert.equal(await readAll(caller), 'by proxy');
  });

  it('is back at once when its tunnels are cut, and its streams go on', async (t) => {
    const port = await echo(t);
    const { platform } = await start(t);
    const node = platform.node();
    await sessions(node, 2);
    const caller = await callerOf(t, open(node, port));
    caller.write('before');
    await once(caller, 'data');
    const { port: tunnelPort } = node;
    await node.closePort();
    await node.listen(tunnelPort);
    await sessions(node, 4);
    caller.end('after');
    assert.equal(await readAll(caller), 'after');
  });

  it('opens one more tunnel to a node that wants one, whose streams move to it, and leaves it when that node goes', async (t) => {
    const { platform, up } = await start(t, { nodes: 2, tunnels: 1, before: listFirst });
    await up;
    const [first] = await sessions(platform.node(0), 1);
    const wanted = { kind: 'tunnelWanted', node: platform.addressOf(platform.node(1)) };
    first?.sendControl(wanted);
    first?.sendControl(wanted);
    const [extra] = await sessions(platform.node(1), 1);
    assert.equal(platform.calls.length, 2, 'with a ticket of its own, once');
    const stream = open(platform.node(1), await echo(t));
    const caller = await callerOf(t, stream);
    caller.write('x');
    assert.equal(String((await once(caller, 'data'))[0]), 'x');
    assert.equal(extra?.streamCount, 1);
    const nodes = [platform.addressOf(platform.node(0))];
    extra?.sendControl({ kind: 'move', nodes, withinMs: 0, reason: 'test' });
    caller.end();
    await until(
      () => extra?.closed,
      (closed) => closed ?? false,
    );
    assert.equal(first?.usable, true);
    assert.equal(platform.node(0).sessions.length, 1, 'the keeper’s own stays as it is');
  });

  it('makes a new first call with the token read anew when a node refuses its ticket', async (t) => {
    let reads = 0;
    const { platform } = await start(t, { tokens: () => `token-${(reads += 1)}`, tunnels: 1 });
    const node = platform.node();
    await sessions(node, 1);
    node.refusal = { code: 'EDGE_TICKET_EXPIRED', message: 'too old' };
    const again = new Promise<void>((resolve) => {
      platform.onCall = () => {
        node.refusal = null;
        resolve();
      };
    });
    const { port } = node;
    await node.closePort();
    await node.listen(port);
    await again;
    await sessions(node, 2);
    assert.equal(platform.calls.at(-1)?.token, `token-${platform.calls.length}`);
  });

  it('ends with 77 when all gateways are refused before their first tunnel', async (t) => {
    const { ended, platform } = await start(t, {
      gatewayIds: ['abc', 'def'],
      before: (platform) => {
        platform.callAnswer = { status: 401, code: 'ACL_TOKEN_WRONG' };
      },
    });
    assert.equal(await ended, 77);
    assert.deepEqual(new Set(platform.calls.map(({ body }) => body.gatewayId)), new Set(['abc', 'def']));
  });

  it('tries on when the gateway is disabled, and connects when it is enabled', async (t) => {
    const { platform } = await start(t, {
      before: (platform) => {
        platform.callAnswer = { status: 403, code: 'ACL_GATEWAY_DISABLED' };
        platform.onCall = () => {
          if (platform.calls.length === 2) platform.callAnswer = 'tickets';
        };
      },
    });
    await sessions(platform.node(), 1);
    assert(platform.calls.length >= 3);
  });

  it('tries on when it is refused after its first tunnel', async (t) => {
    const { platform } = await start(t, { tunnels: 1 });
    const node = platform.node();
    await sessions(node, 1);
    platform.callAnswer = { status: 401, code: 'ACL_TOKEN_REVOKED' };
    node.refusal = { code: 'EDGE_TOKEN_REVOKED', message: 'revoked' };
    platform.onCall = () => {
      if (platform.calls.length < 3) return;
      platform.callAnswer = 'tickets';
      node.refusal = null;
    };
    const { port } = node;
    await node.closePort();
    await node.listen(port);
    await sessions(node, 2);
  });

  it('ends with 69 when its tries are used up', async (t) => {
    const { ended, platform } = await start(t, {
      reconnect: 1,
      before: (platform) => {
        platform.callAnswer = { status: 503, code: 'EDGE_CALL_UNAVAILABLE' };
      },
    });
    assert.equal(await ended, 69);
    assert.equal(platform.calls.length, 2);
  });

  it('ends with 0 when the platform ends it', async (t) => {
    const { ended, platform } = await start(t);
    const [session] = await sessions(platform.node(), 1);
    session?.sendControl({ kind: 'end', reason: 'deleted' });
    assert.equal(await ended, 0);
  });

  it('passes over what a newer node says and this version does not know', async (t) => {
    const { platform } = await start(t);
    const [session] = await sessions(platform.node(), 1);
    session?.sendControl({ kind: 'of a later version' });
    assert.equal((await resetOf(open(platform.node(), 1))).name, 'Refused');
  });

  it('lets running streams end when it is asked to stop, and takes no new ones', async (t) => {
    const port = await echo(t);
    const { platform, client } = await start(t);
    const node = platform.node();
    await sessions(node, 2);
    const caller = await callerOf(t, open(node, port));
    caller.write('one,');
    await once(caller, 'data');
    const stopped = client.stop();
    caller.end('two');
    assert.equal(await readAll(caller), 'two');
    await stopped;
    assert.equal(client.ready().ready, false);
  });

  it('takes a caller’s reset to the resource', async (t) => {
    const reset = Promise.withResolvers<string>();
    const port = await listen(t, (socket) => {
      socket.on('error', (error: NodeJS.ErrnoException) => reset.resolve(error.code ?? ''));
      socket.resume();
    });
    const { platform } = await start(t);
    await sessions(platform.node(), 1);
    const stream = open(platform.node(), port);
    await new Promise<void>((resolve) => {
      stream.events = { onOpened: resolve };
    });
    stream.reset(ResetCode.Cancelled, 'the caller has gone');
    assert.equal(await reset.promise, 'ECONNRESET');
  });

  it('refuses to start with an access-list file that is wrong', async (t) => {
    await assert.rejects(start(t, { acl: 'nonsense' }), { code: 'CLIENT_ACL_FILE_INVALID' });
  });
});
