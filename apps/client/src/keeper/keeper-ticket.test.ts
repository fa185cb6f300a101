// Which ticket a keeper shows, and when it asks for another.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { waitMsMax } from './backoff.ts';
import { Desk, address } from './keeper-desk.fixture.ts';

describe('tickets of a tunnel keeper', () => {
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

  it('shows a node that has no time the same ticket again, and makes no first call for it', () => {
    const desk = new Desk({ tunnels: 1, transport: 'direct' });
    desk.answer([address('a')]);
    for (let tries = 0; tries < 20; tries += 1) {
      assert.equal(desk.take('dial').ticket, 'ticket-1');
      desk.step({ kind: 'dialFailed', id: tries + 1, cause: 'busy', retryAfterMs: 0 });
      assert(desk.wait() <= waitMsMax);
    }
    desk.up('a');
  });

  it('waits longer from try to try where a node has no time, as after calls that failed', () => {
    const desk = new Desk({ tunnels: 1, transport: 'direct', random: () => 0.999 });
    desk.answer([address('a')]);
    const waits: number[] = [];
    for (let tries = 0; tries < 8; tries += 1) {
      desk.fail('busy');
      waits.push(desk.wait());
    }
    assert.deepEqual(waits, [199, 399, 799, 1598, 3196, 4995, 4995, 4995]);
  });

  it('makes a first call when nobody was there: the nodes may be others', () => {
    const desk = new Desk({ tunnels: 1, transport: 'direct' });
    desk.answer([address('a')]);
    desk.fail('path');
    desk.wait();
    desk.answer([address('b')], 2);
    assert.equal(desk.take('dial').address?.node, 'b');
  });

  it('a round that fails with a former ticket does not spend a newer one', () => {
    const desk = new Desk({ transport: 'direct' });
    desk.answer([address('a')]);
    const slow = [desk.take('dial'), desk.take('dial')] as const;
    desk.fail('path', slow[0]);
    desk.wait();
    desk.answer([address('b')], 2);
    assert.equal(desk.take('dial').ticket, 'ticket-2');
    desk.fail('path', slow[1]);
    desk.wait();
    assert.equal(desk.take('dial').ticket, 'ticket-2');
  });

  it('tries the ticket that it has while first calls are not answered, with another call every half minute', () => {
    const desk = new Desk({ tunnels: 1, transport: 'direct' });
    desk.answer([address('a')]);
    const calls: number[] = [];
    while (desk.now < 120_000) {
      if (desk.pending[0]?.kind === 'call') {
        calls.push(desk.now);
        desk.failCall('unanswered');
      } else {
        desk.fail('path');
        assert(desk.wait() <= waitMsMax);
      }
    }
    const gaps = calls.slice(1).map((at, index) => at - (calls[index] ?? 0));
    assert(gaps.length >= 3 && gaps.every((gap) => gap >= 30_000 && gap < 40_000), gaps.join(' '));
  });

  it('asks for another ticket at once when a node cannot use the one that it kept', () => {
    const desk = new Desk({ tunnels: 1, transport: 'direct' });
    desk.answer([address('a')]);
    desk.fail('path');
    desk.wait();
    desk.failCall('unanswered');
    desk.fail('unfit');
    assert(desk.wait() <= waitMsMax);
    desk.answer([address('a')], 2);
    assert.equal(desk.take('dial').ticket, 'ticket-2');
  });

  it('counts a round with a ticket that is used again as a try', () => {
    const desk = new Desk({ tunnels: 1, transport: 'direct', reconnect: 2 });
    desk.answer([address('a')]);
    for (let tries = 0; tries < 3; tries += 1) {
      desk.fail('busy');
      desk.wait();
    }
    desk.take('usedUp');
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
});
