import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { MemoryHub } from '@postern/bus';
import { policyFeed } from '@postern/contracts';
import { AclReach } from './acl-reach.ts';

function setUp(t: TestContext) {
  const hub = new MemoryHub();
  const [acl, bus] = [hub.connect(), hub.connect()];
  const clock = { now: 1_000_000 };
  const reach = new AclReach(bus, () => clock.now);
  reach.start();
  t.after(async () => {
    reach.stop();
    for (const one of [acl, bus]) await one.close();
  });
  const beat = async (body: object): Promise<void> => {
    acl.publish(policyFeed.beat.subject, body);
    await acl.flush();
  };
  return { bus, clock, reach, beat };
}

test('acl is out of reach once it has been silent for five seconds, also where it was never heard, until it is heard', async (t) => {
  const { clock, reach, beat } = setUp(t);
  for (const body of [{ epoch: 'e', revision: 1 }, { of: 'another version' }]) {
    clock.now += 4_999;
    assert.equal(reach.inReach, true);
    clock.now += 1;
    assert.equal(reach.inReach, false);
    await beat(body);
    assert.equal(reach.inReach, true);
  }
});

test('acl is out of reach of a node whose bus is cut, however lately it was heard', async (t) => {
  const { bus, reach, beat } = setUp(t);
  await beat({ epoch: 'e', revision: 1 });
  bus.cut();
  assert.equal(reach.inReach, false);
});
