/** Whatever is changed, lost, cut off and started again: within a second of the last trouble followers have what the owner has. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import type { FeedOwner } from './feed-owner.ts';
import { beatIntervalMs } from './feed-owner.ts';
import { FeedWorld, settle, type Followed } from './feed.fixture.ts';

type Step =
  | { do: 'set' | 'delete'; ids: string[]; by: number; beat: boolean }
  | { do: 'cut' | 'restore' | 'beat' | 'renew' | 'restartOwner' | 'wait' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('set' as const, 'delete' as const),
      ids: fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1 }),
      by: fc.nat(1),
      beat: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'cut' as const,
        'restore' as const,
        'beat' as const,
        'renew' as const,
        'restartOwner' as const,
        'wait' as const,
      ),
    }),
  },
);

async function run(
  world: FeedWorld,
  owners: FeedOwner[],
  { bus }: Followed,
  next: Step,
  text: string,
): Promise<void> {
  const [owner] = owners;
  assert(owner !== undefined);
  switch (next.do) {
    case 'set':
    case 'delete': {
      const texts = next.ids.map((id) => [id, next.do === 'set' ? text : null]);
      const by = owners[next.by % owners.length] ?? owner;
      return world.change(by, Object.fromEntries(texts) as Record<string, string | null>, {
        beat: next.beat,
      });
    }
    case 'cut':
      return bus.cut();
    case 'restore':
      return bus.restore();
    case 'beat':
      return owner.beat();
    case 'renew':
      return world.renew(owner);
    case 'restartOwner':
      await owner.stop();
      owners[0] = await world.owner();
      return;
    case 'wait':
      return settle();
  }
}

it('has what the owner has within a second of the last trouble', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const world = new FeedWorld();
      const owners = [await world.owner(), await world.owner()];
      const followed = world.follow();
      for (const [index, next] of steps.entries()) await run(world, owners, followed, next, `t${index}`);
      followed.bus.restore();
      world.clock.advance(beatIntervalMs);
      await settle();
      assert.deepEqual(followed.items(), await world.truth());
      await world.close();
    }),
    { numRuns: 60 },
  );
});
