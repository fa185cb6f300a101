import assert from 'node:assert/strict';
import { it } from 'node:test';
import { memoryBus } from '@postern/bus';
import { Type } from 'typebox';
import { answererOf, ask, defineQuestion } from './question.ts';

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
