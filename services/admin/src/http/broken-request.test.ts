import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ServerOptions, createServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { type TLSSocket, connect as connectTls } from 'node:tls';
import { type TestContext, it } from 'node:test';
import { createAuthority, createSigningRequest, generateKey, loadAuthority } from '@postern/tls';
import { answerBrokenRequest } from './broken-request.ts';

it('a connection that does not end its TLS handshake is cut', async (t) => {
  const { port } = await listen(t, { handshakeTimeout: 20 });
  const socket = connect(port, '127.0.0.1');
  let received = 0;
  socket.on('data', (chunk) => (received += chunk.length)).on('error', () => undefined);
  await once(socket, 'close');
  assert.equal(received, 0);
});

it('a request that does not come to its end in time is told so, and cut', async (t) => {
  const { port, ca } = await listen(t, { requestTimeout: 20, connectionsCheckingInterval: 5 });
  const socket = connectTls({ port, host: '127.0.0.1', ca }).setEncoding('utf8');
  await once(socket, 'secureConnect');
  socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{');
  let answer = '';
  socket.on('data', (text: string) => (answer += text));
  await once(socket, 'close');
  assert.match(answer, /^HTTP\/1\.1 408 .*ADMIN_REQUEST_SLOW/s);
});

it('a caller that has its answer and does not close is cut', async (t) => {
  const { port, ca, accepted } = await listen(t);
  // It never says goodbye of its own.
  const options = { port, host: '127.0.0.1', ca, allowHalfOpen: true };
  const socket = connectTls(options);
  t.after(() => socket.destroy());
  socket.on('error', () => undefined);
  const [served] = await Promise.all([accepted, once(socket, 'secureConnect')]);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  socket.write('NONSENSE\r\n\r\n');
  const [answer] = (await once(socket.setEncoding('utf8'), 'data')) as [string];
  assert.match(answer, /^HTTP\/1\.1 400 .*ADMIN_REQUEST_MALFORMED/s);
  const closed = once(served, 'close');
  t.mock.timers.tick(1_000);
  await closed;
});

async function listen(
  t: TestContext,
  options: Pick<ServerOptions, 'handshakeTimeout' | 'requestTimeout' | 'connectionsCheckingInterval'> = {},
): Promise<{ port: number; ca: string; accepted: Promise<TLSSocket> }> {
  const authority = loadAuthority(await createAuthority({ commonName: 'Test CA' }));
  const key = await generateKey();
  const cert = await authority.issue({
    csrPem: await createSigningRequest({ keyPem: key, commonName: 'admin' }),
    addresses: ['127.0.0.1'],
    usage: 'server',
    notAfter: new Date(Date.now() + 86_400_000),
  });
  const server = createServer({ key, cert, ...options }).on('clientError', answerBrokenRequest);
  const { promise: accepted, resolve } = Promise.withResolvers<TLSSocket>();
  server.on('secureConnection', resolve).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, ca: authority.certificatePem, accepted };
}
