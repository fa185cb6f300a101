import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  array,
  boolean,
  assert as assertProperty,
  constantFrom,
  double,
  infiniteStream,
  nat,
  property,
  record,
} from 'fast-check';
import { waitMsMax } from './backoff.ts';
import { Desk, address, grant } from './keeper-desk.fixture.ts';
import type { DialFailure, KeeperAction } from './keeper-event.ts';

it('a tunnel keeper holds its bounds and comes to its tunnels under any order of failures', () => {
  const mood = record({
    call: constantFrom('answered', 'refused', 'unanswered'),
    direct: constantFrom('up', 'path', 'busy', 'unfit', 'ticketRefused'),
    websocket: constantFrom('up', 'path', 'busy', 'unfit', 'ticketRefused'),
    lose: nat(4),
    move: nat(6),
    fleet: boolean(),
  });
  assertProperty(
    property(
      array(mood, { maxLength: 60 }),
      infiniteStream(double({ min: 0, max: 0.999, noNaN: true })),
      (moods, random) => {
        const world = new World(() => random.next().value);
        for (const each of moods) world.turn(each);
        for (let turn = 0; turn < 40; turn += 1)
          world.turn({ call: 'answered', direct: 'up', websocket: 'up', lose: 9, move: 9, fleet: false });
        assert.equal(world.desk.keeper.upCount, 2);
        assert(world.waitMax <= waitMsMax, `waited ${world.waitMax} ms without a tunnel`);
      },
    ),
    { numRuns: 300 },
  );
});

interface Mood {
  call: 'answered' | 'refused' | 'unanswered';
  direct: 'up' | DialFailure;
  websocket: 'up' | DialFailure;
  lose: number;
  move: number;
  fleet: boolean;
}

/** A world that answers the keeper by moods and checks its bounds at every action. */
class World {
  readonly desk: Desk;
  readonly up = new Map<number, string>();
  waitMax = 0;
  #grants = 0;

  constructor(random: () => number) {
    this.desk = new Desk({ random });
  }

  turn(mood: Mood): void {
    const asked = [...this.up.keys()][mood.move];
    if (asked !== undefined)
      this.desk.step({ kind: 'moveAsked', id: asked, nodes: [address('b'), address('a')], withinMs: 500 });
    if (mood.fleet) this.desk.step({ kind: 'fleet', nodes: [address('b'), address('a')] });
    const lost = [...this.up.keys()][mood.lose];
    if (lost !== undefined) {
      this.up.delete(lost);
      this.desk.step({ kind: 'tunnelDown', id: lost });
    }
    if (this.desk.pending.length === 0 && this.desk.keeper.wakeAt !== null) {
      const waited = this.desk.wait();
      if (this.up.size === 0) this.waitMax = Math.max(this.waitMax, waited);
    }
    const calls = this.desk.pending.filter(({ kind }) => kind === 'call').length;
    assert(calls <= 1, 'one call at a time');
    for (const action of this.desk.pending.splice(0)) this.#serve(action, mood);
    // What is to be drained goes at once, before the next turn may lose the tunnel that took its place.
    const drains = this.desk.pending.filter(({ kind }) => kind === 'drain');
    this.desk.pending = this.desk.pending.filter(({ kind }) => kind !== 'drain');
    for (const drain of drains) this.#serve(drain, mood);
    assert(this.desk.keeper.upCount + this.desk.pending.filter(({ kind }) => kind === 'dial').length <= 3);
  }

  #serve(action: KeeperAction, mood: Mood): void {
    switch (action.kind) {
      case 'call': {
        this.#grants += 1;
        if (mood.call === 'answered') {
          return this.desk.step({
            kind: 'callAnswered',
            grant: grant([address('a'), address('b')], this.#grants),
          });
        }
        return this.desk.step({ kind: 'callFailed', cause: mood.call, retryAfterMs: 0 });
      }
      case 'dial': {
        const outcome = mood[action.transport];
        if (outcome !== 'up') return this.desk.fail(outcome, action);
        this.up.set(action.id, action.address?.node ?? 'a');
        return this.desk.step({ kind: 'dialUp', id: action.id, node: action.address?.node ?? 'a' });
      }
      case 'drain':
        assert(this.desk.keeper.upCount >= 1, 'a tunnel is drained only when another is up');
        this.up.delete(action.id);
        return this.desk.step({ kind: 'tunnelDown', id: action.id });
      case 'usedUp':
        return assert.fail('never gives up');
    }
  }
}
