import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, type Socket, createServer as createTcpServer } from 'node:net';
import { it } from 'node:test';
import { tryResource } from './trial.ts';

const parts = {
  guard: { decide: () => ({ allowed: true, rule: null, reason: 'all' }), denialOf: () => null },
  hosts: { resolve: async () => ['127.0.0.1'] },
  end: { name: 'the client', nameRemedy: 'mend it' },
  material: async () => [],
};

it('a trial tells every step, asks for its path, and leaves nothing open', async (t) => {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url, request.headers.host);
    response.writeHead(request.url === '/well' ? 200 : 503).end('x'.repeat(100_000));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const target = { host: 'app.corp', port, connectTimeoutSeconds: 5 };
  const trial = (path: string) => ({
    target,
    http: { host: 'app.corp', path },
    isWell: (status: number) => status < 400,
  });
  const well = await tryResource(parts, trial('/well'), AbortSignal.timeout(5_000));
  assert.deepEqual(
    well.map(({ name, ok }) => [name, ok]),
    [
      ['access list', true],
      ['resolve', true],
      ['connect', true],
      ['HTTP', true],
    ],
  );
  const ill = await tryResource(parts, trial('/ill'), AbortSignal.timeout(5_000));
  assert.deepEqual([ill.at(-1)?.ok, ill.at(-1)?.text], [false, '/ill was answered with 503']);
  assert.deepEqual(asked, ['/well', `app.corp:${port}`, '/ill', `app.corp:${port}`]);
  const closed = once(server, 'close');
  server.close();
  await closed;
});

it('a trial that ends before a proxy is dialled has failed, and says why', async () => {
  const proxy = { type: 'socks4' as const, host: '127.0.0.1', port: 1080 };
  const denial = { allowed: false, rule: null, reason: 'no rule allows it' };
  const guard = { ...parts.guard, denialOf: () => denial };
  const material = () => Promise.reject(new Error('certstore refused'));
  const lastOf = async (dialling: object, given: object) => {
    const target = { host: 'app.corp', port: 5432, connectTimeoutSeconds: 5, proxy: { ...proxy, ...given } };
    const trial = { target, http: null, isWell: () => true };
    const last = (await tryResource({ ...parts, ...dialling }, trial, AbortSignal.timeout(5_000))).at(-1);
    assert.deepEqual([last?.name, last?.ok], ['proxy', false]);
    return last?.text ?? '';
  };
  const secret = { type: 'socks5', username: 'u', passwordId: 'password1' };
  assert.match(
    await lastOf({ material }, secret),
    /^the password for the proxy .* is not here: certstore refused/,
  );
  assert.match(await lastOf({ guard }, {}), /no rule allows it/);
});

it('a trial of a resource that changes to another protocol unasked is over, and has failed', async (t) => {
  const answer = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n';
  const server = createTcpServer((socket) => socket.once('data', () => socket.write(answer)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const target = { host: 'app.corp', port, connectTimeoutSeconds: 5 };
  const trial = { target, http: { host: 'a', path: '/' }, isWell: () => true };
  const last = (await tryResource(parts, trial, AbortSignal.timeout(5_000))).at(-1);
  assert.equal(last?.ok, false);
  assert.match(last.text, /gave no answer that could be asked for/);
});

it('a trial of HTTP says of a port that speaks TLS or another protocol what it may be', async (t) => {
  const lastOf = async (serve: (socket: Socket) => void): Promise<string | undefined> => {
    const server = createTcpServer((socket) =>
      socket.on('error', () => {}).once('data', () => serve(socket)),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const target = { host: 'app.corp', port, connectTimeoutSeconds: 5 };
    const trial = { target, http: { host: 'a', path: '/' }, isWell: () => true };
    return (await tryResource(parts, trial, AbortSignal.timeout(5_000))).at(-1)?.text;
  };
  const closed = /closed the connection without an answer in HTTP: it may speak TLS on this port/;
  assert.match((await lastOf((socket) => socket.end())) ?? '', closed);
  assert.match((await lastOf((socket) => socket.resetAndDestroy())) ?? '', closed);
  const alert = Buffer.from('15030100020246', 'hex');
  assert.match((await lastOf((socket) => socket.end(alert))) ?? '', /speaks TLS on this port/);
  assert.match((await lastOf((socket) => socket.end('-ERR\r\n'))) ?? '', /another protocol on this port/);
});

it('a trial of UDP tells an answer, silence and refusal apart', async () => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  const target = { host: 'dns.corp', port, protocol: 'udp' as const, connectTimeoutSeconds: 5 };
  const trial = { target, http: null, isWell: () => true };
  const lastOf = async () => (await tryResource(parts, trial, AbortSignal.timeout(5_000))).at(-1);
  const answering = (_payload: Buffer, { port: to }: { port: number }): void => {
    socket.send('pong', to, '127.0.0.1');
  };
  socket.on('message', answering);
  const answered = await lastOf();
  assert.deepEqual(
    [answered?.name, answered?.ok, answered?.text],
    ['send', true, `127.0.0.1:${port} answered with 4 bytes`],
  );
  socket.off('message', answering);
  const silent = await lastOf();
  assert.equal(silent?.ok, true);
  assert.match(silent?.text ?? '', /nothing said that nobody listens there; more UDP does not tell/);
  socket.close();
  await once(socket, 'close');
  const refused = await lastOf();
  assert.deepEqual(
    [refused?.name, refused?.ok, refused?.text],
    ['send', false, `127.0.0.1:${port} takes no datagrams: nobody listens there (ICMP)`],
  );
});

it('a datagram socket that cannot be connected is a step that failed, with its cause', async () => {
  const target = { host: '255.255.255.255', port: 9, protocol: 'udp' as const, connectTimeoutSeconds: 5 };
  const hosts = { resolve: async (host: string) => [host] };
  const trial = { target, http: null, isWell: () => true };
  const last = (await tryResource({ ...parts, hosts }, trial, AbortSignal.timeout(5_000))).at(-1);
  assert.deepEqual([last?.name, last?.ok], ['connect', false]);
  assert.match(last?.text ?? '', /^the client has no way to 255\.255\.255\.255:9: .*EACCES/);
});
