import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Metrics } from '@postern/telemetry';
import { busMetrics } from './bus-metrics.ts';
import type { NatsBus } from './nats-bus.ts';
import { answerPing, connectToServer } from './nats-server.fixture.ts';

test('a slow server and what it denies are metrics: neither fails anything here', async () => {
  let bus: NatsBus | null = null;
  const metrics = new Metrics();
  busMetrics(metrics, () => bus?.stats ?? null);
  assert.match(await metrics.text(), /^postern_bus_round_trip_seconds 0$/m);
  const asked = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();
  const denied = Promise.withResolvers<void>();
  const told: unknown[] = [];
  let pings = 0;
  bus = await connectToServer(
    async (line) => {
      if (line.startsWith('PUB ')) return '-ERR \'Permissions Violation for Publish to "presence.beat"\'\r\n';
      if (line === 'PING') pings += 1;
      // The first is the driver's, at its connect; ours waits.
      if (pings > 1) {
        asked.resolve();
        await answered.promise;
      }
      return answerPing(line);
    },
    (error) => {
      told.push(error);
      denied.resolve();
    },
  );
  bus.publish('presence.beat', {});
  bus.publish('presence.beat', {});
  await Promise.all([asked.promise, denied.promise]);
  while (bus.stats.denied.publish < 2) await new Promise(setImmediate);
  const text = await metrics.text();
  const [, seconds] = /^postern_bus_round_trip_seconds (\S+)$/m.exec(text) ?? [];
  assert.ok(Number(seconds) > 0, text);
  assert.match(text, /^postern_bus_denied_total\{operation="publish"\} 2$/m);
  assert.equal(told.length, 1);
  answered.resolve();
  await bus.close();
});
