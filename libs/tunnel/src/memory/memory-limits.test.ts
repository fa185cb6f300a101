import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLimits } from '../limit.ts';
import { freeBytesMax, memoryLimits, memoryOfMachine } from './memory-limits.ts';

const mib = 1_048_576;

test('a process with little memory promises and keeps less of it than it may have', () => {
  assert.deepEqual(memoryLimits(512 * mib), {
    receiveBytesPerProcessMax: 192 * mib,
    sendBytesPerProcessMax: 128 * mib,
  });
  assert.equal(freeBytesMax(512 * mib), 64 * mib);
});

test('a process with plenty has the defaults', () => {
  const { receiveBytesPerProcessMax, sendBytesPerProcessMax } = defaultLimits;
  assert.deepEqual(memoryLimits(4096 * mib), { receiveBytesPerProcessMax, sendBytesPerProcessMax });
  assert.equal(freeBytesMax(4096 * mib), 256 * mib);
  assert.ok(memoryOfMachine() > 0);
});
