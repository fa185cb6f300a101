/**
 * Whatever the network loses, doubles, delays and reorders, and however often a node is started again: after the next
 * beat and its snapshot the table has the node's set, and a boot that was replaced never comes back.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { memoryBus } from '@postern/bus';
import type { NodeSnapshot } from '@postern/contracts';
import { quietAnnouncer, settle, tunnel } from './presence.fixture.ts';
import { ManualClock } from './manual-clock.fixture.ts';
import type { Announcement, PresenceAnnouncer } from './presence-announcer.ts';
import { PresenceTable } from './presence-table.ts';

type Step =
  | { do: 'up' | 'down'; tunnel: number }
  | { do: 'beat' | 'restart' | 'goodbye' | 'answerNow' | 'answerEarlier' | 'refuse' }
  | { do: 'deliver' | 'double' | 'lose'; which: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('up', 'down'), tunnel: fc.nat(4) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('deliver', 'double', 'lose'), which: fc.nat() }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('answerNow', 'answerEarlier', 'refuse', 'beat') }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('restart', 'goodbye') }) },
) as fc.Arbitrary<Step>;

interface Question {
  after: string | undefined;
  /** What the node would have said when it was asked. */
  early: NodeSnapshot;
  answer: PromiseWithResolvers<NodeSnapshot>;
}

class World {
  readonly network: Announcement[] = [];
  readonly asked: Question[] = [];
  readonly boots: string[] = [];
  /** Which boot the table believed in, one after the other; '' for none. */
  readonly believed: string[] = [];
  readonly table: PresenceTable;
  node: PresenceAnnouncer;

  constructor() {
    this.node = this.#boot();
    this.table = new PresenceTable({
      bus: memoryBus(),
      clock: new ManualClock(),
      onError: () => {},
      askPage: (_node, after) => {
        const answer = Promise.withResolvers<NodeSnapshot>();
        this.asked.push({ after, early: this.node.page(after), answer });
        return answer.promise;
      },
    });
  }

  async run(next: Step): Promise<void> {
    switch (next.do) {
      case 'up':
        return this.node.up(tunnel(`t${next.tunnel}`));
      case 'down':
        return this.node.down(`t${next.tunnel}`);
      case 'beat':
        return this.node.beat();
      case 'goodbye':
        this.node.stop();
        this.node = this.#boot();
        return;
      case 'restart':
        this.node = this.#boot();
        return;
      case 'answerNow':
      case 'answerEarlier':
      case 'refuse':
        return this.#answer(next.do);
      case 'deliver':
      case 'double':
      case 'lose':
        return this.#carry(next.do, next.which);
    }
  }

  /** The network is well again: one beat, and whatever is asked then is answered. */
  async heal(): Promise<void> {
    this.network.length = 0;
    for (let round = 0; round < 2; round += 1) {
      while (this.asked.length > 0) await this.#answer('answerNow');
      this.node.beat();
      this.#take(this.network.shift() ?? {});
      while (this.asked.length > 0) await this.#answer('answerNow');
    }
  }

  #boot(): PresenceAnnouncer {
    const boot = `boot${this.boots.length}`;
    this.boots.push(boot);
    const node = quietAnnouncer('a', boot, (announcement) => this.network.push(announcement));
    node.start();
    return node;
  }

  async #answer(how: 'answerNow' | 'answerEarlier' | 'refuse'): Promise<void> {
    const question = this.asked.shift();
    if (how === 'refuse') question?.answer.reject(new Error('lost'));
    else question?.answer.resolve(how === 'answerNow' ? this.node.page(question.after) : question.early);
    await settle();
    this.#note();
  }

  #carry(how: 'deliver' | 'double' | 'lose', which: number): void {
    const index = which % Math.max(1, this.network.length);
    const announcement = this.network[index];
    if (announcement === undefined) return;
    if (how !== 'double') this.network.splice(index, 1);
    if (how !== 'lose') this.#take(announcement);
  }

  #take({ tunnel, beat }: Announcement): void {
    if (tunnel !== undefined) this.table.handleTunnel(tunnel);
    if (beat !== undefined) this.table.handleBeat(beat);
    this.#note();
  }

  #note(): void {
    const boot = this.table.nodes()[0]?.bootId ?? '';
    if (boot !== this.believed.at(-1)) this.believed.push(boot);
  }
}

it('converges after the next beat and snapshot, and a replaced boot never comes back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async (steps) => {
      const world = new World();
      for (const next of steps) await world.run(next);
      await world.heal();
      const seen = world.table
        .tunnels('g')
        .map(({ tunnel }) => tunnel.tunnelId)
        .sort();
      assert.deepEqual(
        seen,
        world.node.page().tunnels.map(({ tunnelId }) => tunnelId),
      );
      assert.equal(world.table.nodes()[0]?.bootId, world.boots.at(-1));
      const believed = world.believed.filter((boot) => boot !== '');
      assert.equal(new Set(believed).size, believed.length, String(world.believed));
    }),
    { numRuns: 300 },
  );
});
