import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns, type TurnKind } from './turns.ts';

/** Turns on a clock that the test moves, and what was told to whom. */
function makeTurns(options: { atOnceMax: number; waitingMax?: number }) {
  let now = 0;
  const told: string[] = [];
  const turns = new Turns({ waitingMax: 10, waitMsMax: 2_000, stalledMs: 500, ...options }, () => now);
  const take = (name: string, kind: TurnKind = 'tunnel') =>
    turns.take(kind, {
      begin: () => told.push(`${name} begins`),
      refuse: () => told.push(`${name} is refused`),
      stall: () => told.push(`${name} stalls`),
    });
  const pass = (ms: number, stepMs = 50): void => {
    for (let left = ms; left > 0; left -= stepMs) {
      now += stepMs;
      turns.tick();
    }
  };
  return { turns, told, take, pass };
}

test('no more begin at once than may, and the next begins when one is over', () => {
  const { told, take } = makeTurns({ atOnceMax: 2 });
  const first = take('first');
  for (const name of ['second', 'third', 'fourth']) take(name);
  assert.deepEqual(told, ['first begins', 'second begins']);
  first.end();
  first.end();
  assert.deepEqual(told, ['first begins', 'second begins', 'third begins']);
});

test('who has a ticket goes before who makes a first call', () => {
  const { told, take } = makeTurns({ atOnceMax: 1 });
  const first = take('first');
  take('call', 'call');
  take('tunnel');
  first.end();
  assert.deepEqual(told, ['first begins', 'tunnel begins']);
});

test('who waits too long, and who comes when too many wait, is refused and never begins', () => {
  const { turns, told, take, pass } = makeTurns({ atOnceMax: 1, waitingMax: 1 });
  const first = take('first');
  take('second');
  take('third');
  pass(2_000, 100);
  first.end();
  assert.deepEqual(told, ['first begins', 'third is refused', 'second is refused']);
  assert.deepEqual(turns.counts, { working: 0, waiting: 0 });
});

test('who makes no progress loses its turn, but not while this process is late itself', () => {
  const { told, take, pass } = makeTurns({ atOnceMax: 1 });
  take('slow');
  pass(3_000, 300);
  assert.deepEqual(told, ['slow begins']);
  take('next');
  pass(500);
  assert.deepEqual(told, ['slow begins', 'slow stalls', 'next begins']);
});

test('who is gone while it waits has no turn', () => {
  const { told, take } = makeTurns({ atOnceMax: 1 });
  const first = take('first');
  take('gone').end();
  take('next');
  first.end();
  assert.deepEqual(told, ['first begins', 'next begins']);
});

test('while this process is late fewer are at work at once, and again more when it is not', () => {
  const { turns, take, pass } = makeTurns({ atOnceMax: 64, waitingMax: 1_000 });
  const first = Array.from({ length: 64 }, (_, index) => take(`first ${index}`));
  pass(1_000, 200);
  for (const turn of first) turn.end();
  for (let index = 0; index < 200; index += 1) take(`later ${index}`);
  assert.equal(turns.counts.working, 32);
  pass(800, 50);
  assert.equal(turns.counts.working, 64);
});
