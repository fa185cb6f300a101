import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { Metrics } from '@postern/telemetry';
import { busMetrics } from './bus-metrics.ts';
import { connectNats } from './connect-nats.ts';
import type { NatsBus } from './nats-bus.ts';

test('a slow server and what it denies are metrics: neither fails anything here', async () => {
  const pings = new EventEmitter();
  const server = createServer((socket) => {
    socket.write(
      'INFO {"server_id":"A","version":"2.11.0","proto":1,"headers":true,"max_payload":1048576}\r\n',
    );
    socket.on('data', (bytes) => {
      for (const _ of String(bytes).matchAll(/PING\r\n/g)) pings.emit('ping', () => socket.write('PONG\r\n'));
      for (const _ of String(bytes).matchAll(/PUB /g))
        socket.write('-ERR \'Permissions Violation for Publish to "presence.beat"\'\r\n');
    });
    socket.on('error', () => {});
  });
  // The first is the driver's, at its connect; ours waits.
  const asked = once(pings, 'ping').then(([answer]) => {
    answer();
    return once(pings, 'ping');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  let bus: NatsBus | null = null;
  const metrics = new Metrics();
  busMetrics(metrics, () => bus?.stats ?? null);
  assert.match(await metrics.text(), /^postern_bus_round_trip_seconds 0$/m);
  const told: unknown[] = [];
  const { promise: denied, resolve: deny } = Promise.withResolvers<void>();
  bus = await connectNats({
    servers: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`,
    name: 'test',
    onError: (error) => {
      told.push(error);
      deny();
    },
  });
  bus.publish('presence.beat', {});
  bus.publish('presence.beat', {});
  const [[answer]] = await Promise.all([asked, denied]);
  while (bus.stats.denied.publish < 2) await new Promise(setImmediate);
  const text = await metrics.text();
  const [, seconds] = /^postern_bus_round_trip_seconds (\S+)$/m.exec(text) ?? [];
  assert.ok(Number(seconds) > 0, text);
  assert.match(text, /^postern_bus_denied_total\{operation="publish"\} 2$/m);
  assert.equal(told.length, 1);
  pings.on('ping', (answerNext) => answerNext());
  answer();
  await bus.close();
  server.close();
});
