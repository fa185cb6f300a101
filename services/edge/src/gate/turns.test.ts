import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns, type TurnKind } from './turns.ts';

/** Turns on a clock that the test moves, and what was told to whom. */
function makeTurns(options: { atOnceMax: number; waitingMax?: number }) {
  let now = 0;
  const told: string[] = [];
  const turns = new Turns({ waitingMax: 10, waitMsMax: 2_000, stalledMs: 500, ...options }, () => now);
  /** From an address of its own, where none is given. */
  const take = (name: string, kind: TurnKind = 'tunnel', address = name) =>
    turns.take(kind, address, {
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

test('turns are free until a quarter of them is taken', () => {
  const { turns, take } = makeTurns({ atOnceMax: 8 });
  const first = take('first');
  assert.equal(turns.areFree, true);
  take('second');
  assert.equal(turns.areFree, false);
  first.end();
  assert.equal(turns.areFree, true);
});

test('who has a ticket goes before who makes a first call', () => {
  const { told, take } = makeTurns({ atOnceMax: 1 });
  const first = take('first');
  take('call', 'call');
  take('tunnel');
  first.end();
  assert.deepEqual(told, ['first begins', 'tunnel begins']);
});

test('every fourth turn is a call’s while calls wait', () => {
  const { told, take } = makeTurns({ atOnceMax: 1 });
  let atWork = take('first');
  const waiting = ['t1', 't2', 't3', 't4'].map((name) => take(name));
  waiting.splice(2, 0, take('c1', 'call'));
  waiting.push(take('c2', 'call'));
  for (const next of waiting) {
    atWork.end();
    atWork = next;
  }
  assert.deepEqual(
    told,
    ['first', 't1', 't2', 'c1', 't3', 't4', 'c2'].map((name) => `${name} begins`),
  );
});

test('an address waits in half of the places that others leave, so that nobody is shut out by it', () => {
  const { turns, told, take } = makeTurns({ atOnceMax: 1, waitingMax: 8 });
  take('first');
  for (let index = 0; index < 20; index += 1) take('greedy', 'tunnel', '192.0.2.1');
  assert.equal(turns.counts.waiting, 4);
  for (let index = 0; index < 20; index += 1) take('second', 'tunnel', '::ffff:192.0.2.2');
  assert.equal(turns.counts.waiting, 6);
  take('honest');
  assert.equal(turns.counts.waiting, 7);
  assert.equal(told.includes('honest is refused'), false);
});

test('the addresses that wait have their turns one after another, whatever each has waiting', () => {
  const { told, take } = makeTurns({ atOnceMax: 1 });
  const first = take('first');
  const waiting = [1, 2, 3].map((index) => take(`greedy ${index}`, 'tunnel', '2001:db8::1'));
  take('honest', 'tunnel', '2001:db8:0:1::1');
  first.end();
  waiting[0]?.end();
  assert.deepEqual(told, ['first begins', 'greedy 1 begins', 'honest begins']);
});

test('an address that has half of the turns gets more only while no other waits', () => {
  const { told, take } = makeTurns({ atOnceMax: 4, waitingMax: 100 });
  const atWork = [1, 2, 3, 4].map((index) => take(`greedy ${index}`, 'tunnel', '192.0.2.1'));
  for (let index = 5; index < 10; index += 1) take(`greedy ${index}`, 'tunnel', '192.0.2.1');
  assert.equal(told.length, 4, 'alone it has all');
  take('honest', 'call');
  take('other');
  for (const turn of atWork.slice(0, 3)) turn.end();
  assert.deepEqual(told.slice(4), ['honest begins', 'other begins', 'greedy 5 begins']);
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
