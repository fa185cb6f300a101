import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryHub } from '@postern/bus';
import { announce, certificateFeed, policyFeed } from '@postern/contracts';
import { WrongClocks } from './wrong-clocks.ts';

test('a replica whose clock is off is told of for as long as it says so in its beats', async () => {
  const bus = new MemoryHub().connect();
  let now = 0;
  const clocks = new WrongClocks(bus, assert.ifError, () => now);
  const beat = { epoch: 'e', revision: 1 };
  announce(bus, certificateFeed.beat, { ...beat, clockMs: -60_000 });
  announce(bus, policyFeed.beat, beat);
  await bus.flush();
  assert.deepEqual(
    clocks.warnings.map((one) => one.split(':')[0]),
    ['the clock of a replica of certstore is 60 s behind the database’s'],
  );
  announce(bus, certificateFeed.beat, beat);
  await bus.flush();
  assert.equal(clocks.warnings.length, 1, 'another replica is right');
  now += 3_001;
  assert.deepEqual(clocks.warnings, []);
  clocks.close();
  await bus.close();
});
