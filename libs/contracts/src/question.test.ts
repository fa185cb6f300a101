import assert from 'node:assert/strict';
import { it } from 'node:test';
import { memoryBus } from '@postern/bus';
import { Type } from 'typebox';
import { tunnelChanged } from './presence.ts';
import { answererOf, ask, defineNotice, defineQuestion, listen } from './question.ts';

const double = defineQuestion(
  'double',
  Type.Object({ n: Type.Integer() }),
  Type.Object({ n: Type.Integer() }),
);

it('refuses a reply that is neither an answer nor a refusal', async () => {
  const bus = memoryBus();
  const replies: unknown[] = [null, 'text', [], { error: { code: 7 } }, { error: null }, { ok: { n: 'x' } }];
  bus.serve(double.subject, async () => replies.shift());
  while (replies.length > 0) {
    const left = replies.length;
    await assert.rejects(ask(bus, double, { n: 1 }), { code: 'CONTRACT_VIOLATED' }, `with ${left} left`);
  }
  await bus.close();
});

it('counts each answer once, by what the asker was told', async () => {
  const bus = memoryBus();
  const outcomes: string[] = [];
  const errors: unknown[] = [];
  const serve = answererOf({
    bus,
    queue: 'q',
    metrics: { answered: (subject, outcome) => outcomes.push(`${subject} ${outcome}`) },
    logger: { error: (fields) => errors.push(fields) },
  });
  const broken = new Error('broken');
  serve(double, async ({ n }) => {
    if (n === 0) throw broken;
    return { n: n === 1 ? 2 : 0.5 };
  });
  assert.deepEqual(await ask(bus, double, { n: 1 }), { n: 2 });
  await assert.rejects(ask(bus, double, { n: 2 }), { code: 'CONTRACT_VIOLATED' });
  await assert.rejects(ask(bus, double, { n: 0 }), { code: 'INTERNAL' });
  const reply = await bus.request(double.subject, { m: 1 }, { deadlineMs: 5_000 });
  assert.equal((reply as { error: { code: string } }).error.code, 'CONTRACT_VIOLATED');
  const told = ['ok', 'CONTRACT_VIOLATED', 'INTERNAL', 'CONTRACT_VIOLATED'];
  assert.deepEqual(
    outcomes,
    told.map((outcome) => `double ${outcome}`),
  );
  assert.deepEqual(errors, [{ error: broken, subject: 'double' }]);
  await bus.close();
});

it('tells of wrong notices once a minute, however many come, and hears those that are right', async (t) => {
  t.mock.method(performance, 'now', () => now);
  let now = 0;
  const bus = memoryBus();
  const heard: number[] = [];
  const errors: unknown[] = [];
  const broken = new Error('broken');
  const counted = defineNotice('counted', Type.Object({ n: Type.Integer() }));
  const subscription = listen(
    bus,
    counted,
    ({ n }) => {
      if (n === 0) throw broken;
      heard.push(n);
    },
    (error) => errors.push(error),
  );
  for (let n = 0; n < 1_000; n += 1) bus.publish(counted.subject, { m: n });
  for (const n of [1, 0]) bus.publish(counted.subject, { n });
  await bus.flush();
  assert.deepEqual([heard, errors.length, errors[1]], [[1], 2, broken]);
  now = 60_000;
  bus.publish(counted.subject, 'wrong again');
  await bus.flush();
  assert.equal(errors.length, 3);
  subscription.close();
  await bus.close();
});

it('keeps no words of a node that are longer than any has', () => {
  const notice = { node: 'edge-1', bootId: 'b', startedAt: '', sequence: 1, down: { tunnelId: 't' } };
  assert.deepEqual(tunnelChanged.checkBody(notice), notice);
  const long = 'x'.repeat(256);
  for (const one of [{ node: long }, { bootId: long }, { down: { tunnelId: long } }])
    assert.throws(() => tunnelChanged.checkBody({ ...notice, ...one }), { code: 'CONTRACT_VIOLATED' });
});
