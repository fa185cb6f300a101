import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerPing, connectToServer } from './nats-server.fixture.ts';

/** What the bus told of a server with this limit by the time it was connected. */
async function toldBy(limit: number): Promise<string[]> {
  const told: string[] = [];
  const bus = await connectToServer(answerPing, (error) => told.push(String(error)), limit);
  await bus.close();
  return told;
}

test('a server that takes shorter messages than are needed is told of when it is connected to', async () => {
  assert.deepEqual(await toldBy(1024 * 1024), []);
  const [told, ...others] = await toldBy(65_536);
  assert.match(told ?? '', /65536 bytes at most \(max_payload\), and 1048576 are needed/);
  assert.deepEqual(others, []);
});
