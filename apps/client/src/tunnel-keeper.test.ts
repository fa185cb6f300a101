import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { NodeAddress } from '@postern/contracts';
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
import type { Grant } from './grant.ts';
import type { KeeperAction, KeeperEvent, KeeperOptions } from './keeper-event.ts';
import { TunnelKeeper } from './tunnel-keeper.ts';

const address = (node: string, zone = ''): NodeAddress => ({
  node,
  zone,
  host: '127.0.0.1',
  port: 9000,
  serverName: node,
});
const grant = (nodes: NodeAddress[], number = 1): Grant => ({
  ticket: `ticket-${number}`,
  ticketLifeMs: 300_000,
  reserveTicket: `reserve-${number}`,
  reserveLifeMs: 3_600_000,
  nodes,
});

/** Drives a keeper by hand: `take` gives the next action of a kind and fails when there is none. */
class Desk {
  readonly keeper: TunnelKeeper;
  now = 0;
  pending: KeeperAction[] = [];

  constructor(options: Partial<KeeperOptions> = {}) {
    this.keeper = new TunnelKeeper({
      tunnels: 2,
      transport: 'auto',
      reconnect: -1,
      random: () => 0.5,
      ...options,
    });
    this.step({ kind: 'wake' });
  }

  step(event: KeeperEvent): void {
    this.pending.push(...this.keeper.step(event, this.now));
  }

  take<Kind extends KeeperAction['kind']>(kind: Kind): KeeperAction & { kind: Kind } {
    const index = this.pending.findIndex((action) => action.kind === kind);
    assert.notEqual(index, -1, `an action ${kind} among ${JSON.stringify(this.pending)}`);
    return this.pending.splice(index, 1)[0] as KeeperAction & { kind: Kind };
  }

  /** Lets time pass to the next wake until something is to be done. */
  wait(): number {
    const from = this.now;
    for (let steps = 0; this.pending.length === 0; steps += 1) {
      assert(this.keeper.wakeAt !== null && steps < 100, 'the keeper wants to be woken');
      this.now = Math.max(this.now, this.keeper.wakeAt);
      this.step({ kind: 'wake' });
    }
    return this.now - from;
  }

  answer(nodes: NodeAddress[], number = 1): void {
    this.take('call');
    this.step({ kind: 'callAnswered', grant: grant(nodes, number) });
  }

  up(node: string, dial = this.take('dial')): number {
    this.step({ kind: 'dialUp', id: dial.id, node });
    return dial.id;
  }

  fail(
    cause: 'path' | 'ticketRefused' | 'sameNode' = 'path',
    dial = this.take('dial'),
    retryAfterMs = 0,
  ): void {
    this.step({ kind: 'dialFailed', id: dial.id, cause, retryAfterMs });
  }

  failCall(cause: 'refused' | 'unanswered' = 'unanswered', retryAfterMs = 0): void {
    this.take('call');
    this.step({ kind: 'callFailed', cause, retryAfterMs });
  }
}

describe('tunnel keeper', () => {
  it('begins with a first call and dials two nodes directly', () => {
    const desk = new Desk();
    desk.answer([address('a'), address('b')]);
    const dials = [desk.take('dial'), desk.take('dial')];
    assert.deepEqual(
      dials.map(({ transport, address }) => [transport, address?.node]),
      [
        ['direct', 'a'],
        ['direct', 'b'],
      ],
    );
    for (const dial of dials) desk.up(dial.address?.node ?? '', dial);
    assert.equal(desk.keeper.upCount, 2);
    assert.equal(desk.keeper.wakeAt, null);
  });

  it('prefers a node in another failure domain', () => {
    const desk = new Desk();
    desk.answer([address('a', 'z1'), address('b', 'z1'), address('c', 'z2')]);
    desk.take('dial');
    assert.equal(desk.take('dial').address?.node, 'c');
  });

  it('dials the same node twice where there is only one', () => {
    const desk = new Desk();
    desk.answer([address('a')]);
    assert.equal(desk.take('dial').address?.node, 'a');
    assert.equal(desk.take('dial').address?.node, 'a');
  });

  it('takes the WebSocket at once when the direct way is closed', () => {
    const desk = new Desk({ tunnels: 1 });
    desk.answer([address('a')]);
    desk.fail();
    assert.equal(desk.take('dial').transport, 'websocket');
  });

  it('probes the direct way beside a WebSocket with growing waits of at most a minute, and drains the WebSocket only when the direct tunnel is up', () => {
    const desk = new Desk({ tunnels: 1, random: () => 0.999 });
    desk.answer([address('a')]);
    desk.fail();
    const websocket = desk.up('a');
    const waits: number[] = [];
    for (let probe = 0; probe < 9; probe += 1) {
      waits.push(desk.wait());
      if (desk.pending[0]?.kind === 'call') desk.answer([address('a')], probe);
      desk.fail();
      assert.deepEqual(desk.pending, []);
    }
    assert(Math.max(...waits) <= 60_000, waits.join(' '));
    assert(waits[0] !== undefined && waits[0] <= 1000);
    desk.wait();
    if (desk.pending[0]?.kind === 'call') desk.answer([address('a')], 99);
    const dial = desk.take('dial');
    assert.deepEqual(desk.pending, []);
    desk.up('a', dial);
    assert.equal(desk.take('drain').id, websocket);
  });

  it('moves the other WebSocket tunnels at once when one direct tunnel is up', () => {
    const desk = new Desk();
    desk.answer([address('a'), address('b')]);
    desk.fail();
    desk.fail();
    const sockets = [desk.up('a'), desk.up('b')];
    desk.wait();
    desk.up('a');
    desk.take('drain');
    assert.equal(desk.wait(), 0);
    desk.up('b');
    assert(sockets.includes(desk.take('drain').id));
    assert.equal(desk.keeper.upCount, 2);
  });

  it('replaces each tunnel at its own node, one after the other, when the token is another one', () => {
    const desk = new Desk();
    desk.answer([address('a'), address('b')]);
    const former = [desk.up('a'), desk.up('b')];
    desk.step({ kind: 'renew' });
    desk.answer([address('a'), address('b')], 2);
    for (const [index, node] of ['a', 'b'].entries()) {
      if (desk.pending.length === 0) desk.wait();
      const dial = desk.take('dial');
      assert.deepEqual([dial.ticket, dial.address?.node, dial.avoid], ['ticket-2', node, []]);
      assert.deepEqual(desk.pending, []);
      desk.up(node, dial);
      assert.equal(desk.take('drain').id, former[index]);
      assert.equal(desk.keeper.upCount, 2);
    }
    assert.deepEqual(desk.pending, []);
    assert.equal(desk.keeper.wakeAt, null);
  });

  it('keeps what it has when the new token is refused, and takes the one after that at once', () => {
    const desk = new Desk({ tunnels: 1 });
    desk.answer([address('a')]);
    const former = desk.up('a');
    desk.step({ kind: 'renew' });
    desk.failCall('refused');
    assert.deepEqual(desk.pending, []);
    assert.equal(desk.keeper.upCount, 1);
    desk.step({ kind: 'renew' });
    desk.answer([address('a')], 3);
    desk.up('a');
    assert.equal(desk.take('drain').id, former);
  });

  it('calls once more when the token changes while a first call is under way', () => {
    const desk = new Desk({ tunnels: 1 });
    desk.answer([address('a')]);
    desk.up('a');
    desk.step({ kind: 'renew' });
    desk.step({ kind: 'renew' });
    desk.answer([address('a')], 2);
    desk.answer([address('a')], 3);
    assert.equal(desk.take('dial').ticket, 'ticket-3');
  });

  it('asks for a new ticket when a node refused it', () => {
    const desk = new Desk({ tunnels: 1 });
    desk.answer([address('a')]);
    desk.fail('ticketRefused');
    desk.wait();
    desk.answer([address('a')], 2);
    assert.equal(desk.take('dial').ticket, 'ticket-2');
  });

  it('uses the ticket again while it is fresh, and a first call when it is not', () => {
    const desk = new Desk({ tunnels: 1 });
    desk.answer([address('a')]);
    const first = desk.up('a');
    desk.now = 200_000;
    desk.step({ kind: 'tunnelDown', id: first });
    desk.wait();
    const second = desk.up('a');
    desk.now = 299_000;
    desk.step({ kind: 'tunnelDown', id: second });
    desk.wait();
    desk.answer([address('a')], 2);
    desk.take('dial');
  });

  it('takes the reserve ticket only when the first call cannot be answered', () => {
    const desk = new Desk({ tunnels: 1 });
    desk.answer([address('a')]);
    const id = desk.up('a');
    desk.now = 600_000;
    desk.step({ kind: 'tunnelDown', id });
    desk.wait();
    desk.failCall('unanswered');
    assert.equal(desk.take('dial').ticket, 'reserve-1');
  });

  it('takes no reserve ticket once the platform refused the client', () => {
    const desk = new Desk({ tunnels: 1 });
    desk.answer([address('a')]);
    const id = desk.up('a');
    desk.now = 600_000;
    desk.step({ kind: 'tunnelDown', id });
    desk.wait();
    desk.failCall('refused');
    desk.wait();
    desk.failCall('unanswered');
    assert.deepEqual(desk.pending, []);
  });

  it('waits at most 5 s between tries, however many failed', () => {
    const desk = new Desk({ random: () => 0.999 });
    for (let tries = 0; tries < 50; tries += 1) {
      desk.failCall();
      assert(desk.wait() <= waitMsMax);
    }
  });

  it('honours Retry-After, longer than its own longest wait too', () => {
    const desk = new Desk();
    desk.failCall('unanswered', 30_000);
    assert.equal(desk.wait(), 30_000);
  });

  it('never gives up unless asked to', () => {
    const desk = new Desk();
    for (let tries = 0; tries < 1000; tries += 1) {
      desk.failCall('refused');
      desk.wait();
    }
    desk.take('call');
  });

  it('gives up when the tries are used up: the first one and as many again as were asked for', () => {
    const desk = new Desk({ reconnect: 2 });
    for (let tries = 0; tries < 3; tries += 1) {
      desk.failCall();
      desk.wait();
    }
    desk.take('usedUp');
    assert.deepEqual(desk.keeper.step({ kind: 'wake' }, desk.now + 10_000), []);
  });

  it('counts tries from the last tunnel that was up', () => {
    const desk = new Desk({ reconnect: 1, tunnels: 1 });
    desk.failCall();
    desk.wait();
    desk.answer([address('a')]);
    const id = desk.up('a');
    desk.now = 1_000_000;
    desk.step({ kind: 'tunnelDown', id });
    desk.wait();
    desk.failCall('refused');
    desk.take('usedUp');
  });

  it('replaces a tunnel that drains before the node lets it go', () => {
    const desk = new Desk();
    desk.answer([address('a'), address('b'), address('c')]);
    const first = desk.up('a');
    desk.up('b');
    desk.step({ kind: 'tunnelDraining', id: first });
    desk.wait();
    assert.equal(desk.take('dial').address?.node, 'c');
  });

  it('seeks another node at most eight times in haste, then every minute, when both tunnels end at one', () => {
    const desk = new Desk({ transport: 'direct' });
    desk.answer([address('a'), address('b')]);
    desk.up('a');
    desk.up('a');
    const waits: number[] = [];
    for (let tries = 0; tries < 10; tries += 1) {
      waits.push(desk.wait());
      const dial = desk.take('dial');
      assert.deepEqual(dial.avoid, ['a']);
      desk.fail('sameNode', dial);
    }
    assert(
      waits.slice(0, 8).every((wait) => wait <= waitMsMax),
      waits.join(' '),
    );
    assert.deepEqual(waits.slice(8), [60_000, 60_000]);
  });

  it('tries a node that cannot be reached at least every 5 s, however long it is away', () => {
    const desk = new Desk({ transport: 'direct' });
    desk.answer([address('a'), address('b')]);
    desk.up('a');
    desk.up('a');
    for (let tries = 0; tries < 40; tries += 1) {
      const wait = desk.wait();
      assert(wait <= waitMsMax, `${wait} ms after ${tries} tries`);
      desk.fail('path', desk.take('dial'));
    }
  });

  it('asks for the nodes anew every few minutes while only one is known', () => {
    const desk = new Desk({ transport: 'direct' });
    desk.answer([address('a')]);
    desk.up('a');
    const second = desk.up('a');
    assert(desk.wait() > 60_000);
    desk.answer([address('a'), address('b')], 2);
    desk.up('b');
    assert.equal(desk.take('drain').id, second);
  });

  it('moves one of two tunnels at one node as soon as a node tells that there is another', () => {
    const desk = new Desk();
    desk.answer([address('a')]);
    const first = desk.up('a');
    const second = desk.up('a');
    desk.step({ kind: 'fleet', nodes: [address('a'), address('b')] });
    assert(desk.wait() <= 2000, 'soon');
    const dial = desk.take('dial');
    assert.equal(dial.address?.node, 'b');
    assert.deepEqual(desk.pending, [], 'nothing is drained before the new one is up');
    desk.up('b', dial);
    assert.equal(desk.take('drain').id, second);
    assert.notEqual(second, first);
    assert.equal(desk.keeper.upCount, 2);
  });

  it('moves one of two tunnels in one failure domain when a node of another comes', () => {
    const desk = new Desk();
    desk.answer([address('a', 'z1'), address('b', 'z1')]);
    desk.up('a');
    desk.up('b');
    assert.equal(desk.keeper.wakeAt, null, 'there is nothing better');
    desk.step({ kind: 'fleet', nodes: [address('a', 'z1'), address('b', 'z1'), address('c', 'z2')] });
    desk.wait();
    const dial = desk.take('dial');
    assert.equal(dial.address?.node, 'c');
    desk.up('c', dial);
    desk.take('drain');
    assert.equal(desk.keeper.wakeAt, null);
  });

  it('replaces a tunnel whose node asks for it at the first node that is named, and lets it go when the other is up', () => {
    const desk = new Desk();
    desk.answer([address('a'), address('b'), address('c')]);
    const [at] = [desk.up('a'), desk.up('b')];
    desk.step({ kind: 'moveAsked', id: at, nodes: [address('c'), address('b')], withinMs: 1000 });
    assert(desk.wait() <= 1000);
    const dial = desk.take('dial');
    assert.deepEqual([dial.address?.node, dial.avoid], ['c', ['a']]);
    desk.fail('path', dial);
    desk.wait();
    const next = desk.take('dial');
    assert.equal(next.address?.node, 'b', 'any other will do when that one cannot be reached');
    desk.up('b', next);
    assert.equal(desk.take('drain').id, at);
  });

  it('asks the balancer for another node when the tunnel that is to move is a WebSocket', () => {
    const desk = new Desk({ transport: 'websocket', tunnels: 1 });
    desk.answer([address('a'), address('b')]);
    const at = desk.up('a');
    desk.step({ kind: 'moveAsked', id: at, nodes: [address('b')], withinMs: 0 });
    desk.wait();
    const dial = desk.take('dial');
    assert.deepEqual([dial.transport, dial.avoid], ['websocket', ['a']]);
    desk.up('b', dial);
    assert.equal(desk.take('drain').id, at);
  });

  it('waits longer before each dial when tunnels end as soon as they are up', () => {
    const desk = new Desk({ tunnels: 1, random: () => 0.999 });
    desk.answer([address('a')]);
    let waited = 0;
    for (let flaps = 0; flaps < 20; flaps += 1) {
      desk.step({ kind: 'tunnelDown', id: desk.up('a') });
      waited = desk.wait();
      if (desk.pending[0]?.kind === 'call') desk.answer([address('a')]);
    }
    assert(waited > 1000 && waited <= waitMsMax);
  });

  it('holds its bounds and comes to its tunnels under any order of failures', () => {
    const mood = record({
      call: constantFrom('answered', 'refused', 'unanswered'),
      direct: constantFrom('up', 'path', 'ticketRefused'),
      websocket: constantFrom('up', 'path', 'ticketRefused'),
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
});

interface Mood {
  call: 'answered' | 'refused' | 'unanswered';
  direct: 'up' | 'path' | 'ticketRefused';
  websocket: 'up' | 'path' | 'ticketRefused';
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
