import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { waitMsMax } from './backoff.ts';
import { Desk, address } from './keeper-desk.fixture.ts';

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

  it('tries other nodes at once where the WebSocket was told to wait, and only the next round waits', () => {
    const desk = new Desk({ tunnels: 1 });
    desk.answer([address('a'), address('b')]);
    desk.fail('path');
    assert.equal(desk.pending[0]?.kind === 'dial' && desk.pending[0].transport, 'websocket');
    desk.fail('path', desk.take('dial'), 30_000);
    assert.equal(desk.take('dial').address?.node, 'b');
    desk.step({ kind: 'dialFailed', id: 3, cause: 'path', retryAfterMs: 0 });
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

  it('moves it as soon also where the first call that was under way at that time is not answered', () => {
    const desk = new Desk({ transport: 'direct' });
    desk.answer([address('a'), address('b')]);
    desk.up('a');
    desk.up('a');
    desk.now = 400_000;
    desk.wait();
    desk.step({ kind: 'fleet', nodes: [address('a'), address('b')] });
    desk.failCall('unanswered');
    assert(desk.wait() <= 2000, 'soon');
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

  it('leaves a node that asks for it by the reserve ticket while acl is out of reach', () => {
    const desk = new Desk({ tunnels: 1 });
    desk.answer([address('a'), address('b')]);
    const id = desk.up('a');
    // The session's ticket is over, the reserve is good.
    desk.now = 400_000;
    desk.step({ kind: 'moveAsked', id, nodes: [address('b')], withinMs: 0 });
    desk.failCall('unanswered');
    desk.wait();
    assert.equal(desk.take('dial').address?.node, 'b');
  });

  it('replaces also a tunnel whose round began with a former ticket', () => {
    const desk = new Desk({ tunnels: 2, transport: 'direct' });
    desk.answer([address('a'), address('b'), address('c')]);
    const [first, second] = [desk.take('dial'), desk.take('dial')];
    desk.up('a', first);
    desk.step({ kind: 'renew' });
    desk.answer([address('a'), address('b'), address('c')], 2);
    const better = desk.take('dial');
    desk.fail('path', second);
    const old = desk.take('dial');
    assert.equal(old.ticket, 'ticket-1');
    desk.up('c', old);
    desk.up('a', better);
    desk.take('drain');
    desk.wait();
    assert.equal(desk.take('dial').ticket, 'ticket-2');
  });

  it('never cuts short what a call was told by Retry-After, not by a round that fails either', () => {
    const desk = new Desk({ tunnels: 2, transport: 'direct' });
    desk.answer([address('a'), address('b')]);
    const [first, second] = [desk.take('dial'), desk.take('dial')];
    desk.fail('ticketRefused', first);
    desk.wait();
    desk.failCall('unanswered', 60_000);
    const told = desk.now;
    desk.fail('ticketRefused', second);
    while (desk.pending[0]?.kind !== 'call') {
      desk.wait();
      while (desk.pending[0]?.kind === 'dial') desk.fail('path');
    }
    assert(desk.now - told >= 60_000);
  });

  it('shows a new token at once though a call with a former one failed', () => {
    const desk = new Desk({ tunnels: 2 });
    desk.answer([address('a'), address('b')]);
    desk.up('a');
    desk.up('b');
    desk.step({ kind: 'renew' });
    desk.take('call');
    desk.step({ kind: 'renew' });
    const at = desk.now;
    desk.step({ kind: 'callFailed', cause: 'refused', retryAfterMs: 0 });
    desk.wait();
    desk.take('call');
    assert(desk.now - at < 6_000);
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
});
