import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { connectNats } from './connect-nats.ts';

test('messages that are no JSON are told once a minute of each subject, however many come', async () => {
  const server = createServer((socket) => {
    socket.write(
      'INFO {"server_id":"A","version":"2.11.0","proto":1,"headers":true,"max_payload":1048576}\r\n',
    );
    socket.on('data', (bytes) => {
      for (const [, id] of String(bytes).matchAll(/SUB presence\.beat (\d+)\r\n/g))
        socket.write(
          `MSG presence.beat ${id} 3\r\nabc\r\n`.repeat(100) + `MSG presence.beat ${id} 2\r\n{}\r\n`,
        );
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
  await new Promise<void>((resolve) => bus.subscribe('presence.beat', () => resolve()));
  assert.deepEqual(told, ['BusError: a body on presence.beat is not JSON']);
  await bus.close();
  server.close();
});
