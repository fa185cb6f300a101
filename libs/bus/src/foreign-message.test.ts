import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerPing, connectToServer } from './nats-server.fixture.ts';

test('messages that are no JSON are told once a minute of each subject, however many come', async () => {
  const told: string[] = [];
  const bus = await connectToServer(
    (line) => {
      const [, id] = /^SUB presence\.beat (\d+)$/.exec(line) ?? [];
      if (id === undefined) return answerPing(line);
      return `MSG presence.beat ${id} 3\r\nabc\r\n`.repeat(100) + `MSG presence.beat ${id} 2\r\n{}\r\n`;
    },
    (error) => told.push(String(error)),
  );
  await new Promise<void>((resolve) => bus.subscribe('presence.beat', () => resolve()));
  assert.deepEqual(told, ['BusError: a body on presence.beat is not JSON']);
  await bus.close();
});
