import assert from 'node:assert/strict';
import { it } from 'node:test';
import { answersMax } from './answering.ts';
import { testBus } from './bus.case.test.ts';
import { memoryBus, MemoryHub, type MemoryBus } from './index.ts';
import { queuedMessagesMax } from './memory-switch.ts';
import { pendingRequestsMax } from './pending-requests.ts';

testBus('in-process bus', async () => {
  const hub = new MemoryHub();
  const buses: MemoryBus[] = [];
  return {
    connect: async (options) => {
      const bus = hub.connect(options);
      buses.push(bus);
      return bus;
    },
    interrupt: async () => buses.forEach((bus) => bus.cut()),
    resume: async () => buses.forEach((bus) => bus.restore()),
    close: async () => {},
  };
});

it('refuses a request beyond pendingRequestsMax, and takes one again when another has ended', async () => {
  const bus = memoryBus();
  bus.cut();
  const waiting = Array.from({ length: pendingRequestsMax }, () =>
    bus.request('x', 1, { deadlineMs: 60_000 }),
  );
  await assert.rejects(bus.request('x', 1, { deadlineMs: 1_000 }), { code: 'BUS_OVERLOADED' });
  bus.restore();
  for (const outcome of await Promise.allSettled(waiting)) assert.equal(outcome.status, 'rejected');
  await assert.rejects(bus.request('x', 1, { deadlineMs: 1_000 }), { code: 'BUS_NO_RESPONDER' });
  await bus.close();
});

it('refuses a question when answersMax handlers run', async () => {
  const bus = memoryBus({ onError: () => {} });
  const gate = Promise.withResolvers<void>();
  bus.serve('slow', () => gate.promise);
  const waiting = Array.from({ length: answersMax }, () => bus.request('slow', 1, { deadlineMs: 60_000 }));
  await assert.rejects(bus.request('slow', 1, { deadlineMs: 60_000 }), { code: 'BUS_OVERLOADED' });
  gate.resolve();
  await Promise.all(waiting);
  await bus.close();
});

it('loses announcements beyond queuedMessagesMax of one turn and says so', async () => {
  const errors: unknown[] = [];
  const bus = memoryBus({ onError: (error) => errors.push(error) });
  let heard = 0;
  bus.subscribe('flood', () => (heard += 1));
  for (let sent = 0; sent <= queuedMessagesMax; sent += 1) bus.publish('flood', sent);
  await bus.flush();
  await bus.flush();
  assert.equal(heard, queuedMessagesMax);
  assert.equal((errors[0] as { code: string }).code, 'BUS_OVERLOADED');
  await bus.close();
});

it('answers questions of this turn although the subscription is closed in it', async () => {
  const bus = memoryBus();
  const serving = bus.serve('leaving', async () => 'yes');
  const reply = bus.request('leaving', {}, { deadlineMs: 1_000 });
  serving.close();
  assert.equal(await reply, 'yes');
  await bus.close();
});
