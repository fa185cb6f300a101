import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, describe, it } from 'node:test';
import { check } from './check.ts';
import { readOptions } from './command.ts';
import { commandFor } from './exposed.ts';
import { startSample } from './sample.ts';

async function startServer(t: TestContext, greeting: string | null): Promise<{ host: string; port: number }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    if (greeting !== null) socket.write(greeting);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

describe('demo', () => {
  it('takes its arguments with and without two dashes before them', () => {
    const expose = [
      { host: 'localhost', port: 5432 },
      { host: '10.0.0.5', port: 22 },
    ];
    const argv = ['--expose', '5432', '--expose', '10.0.0.5:22', '--once'];
    // Options keep what was read before; each program reads them once.
    assert.deepEqual(readOptions(['--', ...argv]), { expose, once: true, state: null });
  });

  it('refuses a resource that is named twice', () => {
    assert.throws(() => readOptions(['--expose', '7001', '--expose', 'localhost:7001']), /named twice/);
  });

  it('names a command that speaks the usual protocol of the resource’s port', () => {
    const front = { host: '127.0.0.1', port: 15_000 };
    assert.equal(commandFor({ host: 'db', port: 5432 }, front), 'psql -h 127.0.0.1 -p 15000');
    assert.equal(commandFor({ host: 'db', port: 1 }, front), 'nc 127.0.0.1 15000');
  });

  it('compares what went through a front with what came back', async (t) => {
    const sample = await startSample();
    t.after(() => sample.stop());
    const front = { host: sample.host, port: sample.port };
    const seen = await check({ title: 'sample', resource: sample, front, exposed: null });
    assert.match(seen.text, /^GET answered in \d+ ms; 8 MiB there and back unchanged/);
    assert.equal(seen.ok, true);
  });

  it('says how a resource greets, and tells a closed port of its own from a front that fails', async (t) => {
    const ssh = await startServer(t, 'SSH-2.0-Example\r\n');
    const greeted = await check({ title: 'ssh', resource: ssh, front: ssh, exposed: ssh });
    assert.deepEqual(greeted, { ok: true, text: 'connected; it says "SSH-2.0-Example"' });
    const gone = { host: '127.0.0.1', port: 1 };
    const missing = await check({ title: 'gone', resource: gone, front: ssh, exposed: gone });
    assert.equal(missing.ok, false);
    assert.match(missing.text, /^127\.0\.0\.1:1 cannot be reached from here: /);
  });
});
