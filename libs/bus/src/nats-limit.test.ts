import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { connectNats } from './connect-nats.ts';

/** What the bus told of a server with this limit by the time it was connected. */
async function toldBy(limit: number): Promise<string[]> {
  const server = createServer((socket) => {
    const info = { server_id: 'A', version: '2.11.0', proto: 1, headers: true, max_payload: limit };
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
    socket.on('data', (bytes) => {
      for (const _ of String(bytes).matchAll(/PING\r\n/g)) socket.write('PONG\r\n');
    });
    socket.on('error', () => {});
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const told: string[] = [];
  const { port } = server.address() as AddressInfo;
  const bus = await connectNats({
    servers: `nats://127.0.0.1:${port}`,
    name: 'test',
    onError: (error) => told.push(String(error)),
  });
  await bus.close();
  server.close();
  return told;
}

test('a server that takes shorter messages than are needed is told of when it is connected to', async () => {
  assert.deepEqual(await toldBy(1024 * 1024), []);
  const [told, ...others] = await toldBy(65_536);
  assert.match(told ?? '', /65536 bytes at most \(max_payload\), and 1048576 are needed/);
  assert.deepEqual(others, []);
});
