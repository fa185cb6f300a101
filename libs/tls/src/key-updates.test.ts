import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { TlsAcceptor } from './accept.ts';
import { connectTls } from './connect.ts';
import {
  contextOptions,
  createAuthority,
  createSigningRequest,
  generateKey,
  loadAuthority,
} from './index.ts';

const pair = await createAuthority({ commonName: 'Test CA' });
const keyPem = await generateKey();
const csrPem = await createSigningRequest({ keyPem, commonName: 'server' });
const chainPem = await loadAuthority(pair).issue({
  csrPem,
  names: ['server.example'],
  addresses: ['127.0.0.1'],
  usage: 'server',
  notAfter: new Date(Date.now() + 86_400_000),
});

/** OpenSSL's own client, which changes the keys of both directions for each line `K`. */
function changer(t: TestContext, port: number): ChildProcess {
  const process = spawn('openssl', ['s_client', '-tls1_3', '-connect', `127.0.0.1:${port}`]);
  t.after(() => process.kill('SIGKILL'));
  process.stdin?.on('error', () => {});
  return process;
}

/** Has it change keys so often, one time after the other. */
async function change({ stdin, stderr }: ChildProcess, times: number): Promise<void> {
  for (let left = times; left > 0; left -= 1) {
    stdin?.write('K\n');
    for (let said = ''; !said.includes('KEYUPDATE');) said += String((await once(stderr!, 'data'))[0]);
  }
}

test('a caller may change the keys of its connection now and then, and is cut who does it for the sake of it', async (t) => {
  const acceptor = new TlsAcceptor(contextOptions({ chainPem, keyPem }));
  const { promise, resolve } = Promise.withResolvers<TLSSocket>();
  const server = createTcpServer({ pauseOnConnect: true }, (socket) => {
    void acceptor.accept(socket).then(resolve);
  });
  server.listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const caller = changer(t, (server.address() as AddressInfo).port);
  const socket = await promise;
  t.after(() => socket.destroy());
  socket.resume();
  await change(caller, 32);
  socket.write('still here');
  for (let said = ''; !said.includes('still here');) said += String((await once(caller.stdout!, 'data'))[0]);
  assert.equal(socket.destroyed, false);
  const closed = once(socket, 'close');
  await Promise.race([closed, change(caller, 1_000)]);
  assert.equal(socket.destroyed, true);
});

test('so is a peer that was dialled', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-key-updates-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'pair.pem'), chainPem + keyPem);
  const words = ['s_server', '-accept', '127.0.0.1:0', '-cert', 'pair.pem'];
  const server = spawn('openssl', words, { cwd: folder, stdio: ['pipe', 'pipe', 'ignore'] });
  t.after(() => server.kill('SIGKILL'));
  let said = '';
  while (!/ACCEPT .*:\d+\n/.test(said)) said += String((await once(server.stdout, 'data'))[0]);
  const port = Number(/ACCEPT .*:(\d+)\n/.exec(said)?.[1]);
  const caPem = pair.certificatePem;
  const socket = await connectTls({ host: '127.0.0.1', port, caPem, signal: t.signal });
  t.after(() => socket.destroy());
  socket.resume();
  const closed = once(socket, 'close');
  for (let left = 1_000; left > 0 && !socket.destroyed; left -= 1) {
    server.stdin.write('K\n');
    await Promise.race([closed, once(socket, 'keylog')]);
  }
  assert.equal(socket.destroyed, true);
});
