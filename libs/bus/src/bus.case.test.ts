/**
 * What every bus must do. Run by `memory-bus.test.ts` in this process and by `test/e2e` against a real NATS
 * server: a service must not be able to tell which of them it has.
 */
import assert from 'node:assert/strict';
import { once, EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import { pause } from '@postern/test-kit';
import type { OnError } from './answering.ts';
import { messageBytesMax } from './body.ts';
import { BusError } from './bus-error.ts';
import type { Bus } from './bus.ts';

/** A server, or what stands for it, to which the suite makes connections. */
export interface BusPlace {
  connect(options?: { onError?: OnError }): Promise<Bus>;
  /** Ends all connections until `resume`. Resolves when each has noticed. */
  interrupt(): Promise<void>;
  resume(): Promise<void>;
  close(): Promise<void>;
}

const deadlineMs = 5_000;

/** Declares the suite. */
export function testBus(name: string, open: () => Promise<BusPlace>): void {
  /** Two connections; what is subscribed on `there` is known everywhere once `there.flush` resolves. */
  async function connected(work: (here: Bus, there: Bus, place: BusPlace) => Promise<void>): Promise<void> {
    const place = await open();
    const [here, there] = [await place.connect(), await place.connect()];
    try {
      await work(here, there, place);
    } finally {
      await Promise.all([here.close(), there.close()]);
      await place.close();
    }
  }

  describe(`${name}: questions`, () => {
    it('brings the reply of whoever serves the subject', () =>
      connected(async (here, there) => {
        there.serve('sum', async (body) => (body as number[]).reduce((sum, one) => sum + one, 0));
        await there.flush(deadlineMs);
        assert.equal(await here.request('sum', [1, 2, 3], { deadlineMs }), 6);
      }));

    it('tells whoever serves a pattern at which subject it was asked', () =>
      connected(async (here, there) => {
        there.serve('of.*', async (_body, subject) => subject, { queue: 'q' });
        await there.flush(deadlineMs);
        assert.equal(await here.request('of.one', {}, { deadlineMs }), 'of.one');
      }));

    it('turns no reply into null and keeps hostile keys and any text', () =>
      connected(async (here, there) => {
        const hostile = JSON.parse(
          '{"__proto__": {"a": 1}, "$where": "x", "a.b": "\\u0000é\\ud83d\\ude00"}',
        ) as object;
        there.serve('nothing', async () => undefined);
        there.serve('same', async (body) => body);
        await there.flush(deadlineMs);
        assert.equal(await here.request('nothing', undefined, { deadlineMs }), null);
        assert.deepEqual(await here.request('same', hostile, { deadlineMs }), hostile);
      }));

    it('shares no object between the two ends', () =>
      connected(async (here, there) => {
        const state = { list: [1] };
        there.serve('state', async (body) => {
          (body as typeof state).list.push(2);
          return state;
        });
        await there.flush(deadlineMs);
        const sent = { list: [0] };
        const got = (await here.request('state', sent, { deadlineMs })) as typeof state;
        got.list.push(3);
        assert.deepEqual([sent, state], [{ list: [0] }, { list: [1] }]);
      }));

    it('rejects with BUS_NO_RESPONDER at once when nobody serves the subject', () =>
      connected(async (here) => {
        await assert.rejects(here.request('nobody', {}, { deadlineMs: 60_000 }), {
          code: 'BUS_NO_RESPONDER',
        });
      }));

    it('rejects with BUS_TIMEOUT when no reply comes within the deadline', () =>
      connected(async (here, there) => {
        const served = Promise.withResolvers<void>();
        there.serve('slow', () => served.promise);
        await there.flush(deadlineMs);
        await assert.rejects(here.request('slow', {}, { deadlineMs: 30 }), { code: 'BUS_TIMEOUT' });
        served.resolve();
      }));

    it('rejects with BUS_ABORTED when its signal ends it, before or after it was asked', () =>
      connected(async (here, there) => {
        const served = Promise.withResolvers<void>();
        const controller = new AbortController();
        there.serve('slow', () => served.promise);
        await there.flush(deadlineMs);
        const asked = here.request('slow', {}, { deadlineMs, signal: controller.signal });
        controller.abort(new Error('enough'));
        await assert.rejects(asked, { code: 'BUS_ABORTED' });
        await assert.rejects(here.request('slow', {}, { deadlineMs, signal: controller.signal }), {
          code: 'BUS_ABORTED',
        });
        served.resolve();
      }));

    it('rejects with BUS_HANDLER_FAILED when the handler throws, and keeps its text at its end', async () => {
      const place = await open();
      const errors: unknown[] = [];
      const [here, there] = [
        await place.connect(),
        await place.connect({ onError: (error) => errors.push(error) }),
      ];
      const secret = new Error('password 123');
      there.serve('broken', () => Promise.reject(secret));
      await there.flush(deadlineMs);
      await assert.rejects(here.request('broken', {}, { deadlineMs }), (error: unknown) => {
        assert(error instanceof BusError);
        assert.equal(error.code, 'BUS_HANDLER_FAILED');
        assert.doesNotMatch(JSON.stringify([error.message, error.cause, error]), /123/);
        return true;
      });
      assert.deepEqual(errors, [secret]);
      await Promise.all([here.close(), there.close()]);
      await place.close();
    });

    it('asks one member of a queue group, and every group and member has its turn', () =>
      connected(async (here, there) => {
        const asked = { first: 0, second: 0 };
        const count = (name: keyof typeof asked) => async () => {
          asked[name] += 1;
          return name;
        };
        here.serve('work', count('first'), { queue: 'workers' });
        there.serve('work', count('second'), { queue: 'workers' });
        await Promise.all([here.flush(deadlineMs), there.flush(deadlineMs)]);
        for (let round = 0; round < 40; round += 1) await there.request('work', {}, { deadlineMs });
        assert.equal(asked.first + asked.second, 40);
        assert(asked.first > 0 && asked.second > 0, JSON.stringify(asked));
      }));

    it('takes the first reply when several serve the subject, and each is asked', () =>
      connected(async (here, there) => {
        const asked: string[] = [];
        const both = new EventEmitter();
        for (const [name, bus] of [
          ['here', here],
          ['there', there],
        ] as const) {
          bus.serve('who', async () => {
            if (asked.push(name) === 2) both.emit('asked');
            return name;
          });
        }
        await Promise.all([here.flush(deadlineMs), there.flush(deadlineMs)]);
        const bothAsked = once(both, 'asked');
        assert.match(String(await here.request('who', {}, { deadlineMs })), /here|there/);
        await bothAsked;
        assert.deepEqual(asked.toSorted(), ['here', 'there']);
      }));

    it('answers questions of one connection to itself', () =>
      connected(async (here) => {
        here.serve('self', async () => 'I');
        assert.equal(await here.request('self', {}, { deadlineMs }), 'I');
      }));

    it('answers what was on its way when its subscription is closed', () =>
      connected(async (here, there) => {
        const serving = there.serve('leaving', async () => 'yes');
        await there.flush(deadlineMs);
        const replies = Array.from({ length: 20 }, () => here.request('leaving', {}, { deadlineMs }));
        await here.flush(deadlineMs);
        serving.close();
        assert.deepEqual(new Set(await Promise.all(replies)), new Set(['yes']));
      }));

    it('answers what was on its way when its subscription is closed, and the bus right after', () =>
      connected(async (here, there) => {
        const serving = there.serve('leaving', async () => {
          await here.flush(deadlineMs);
          return 'yes';
        });
        await there.flush(deadlineMs);
        const replies = Array.from({ length: 20 }, () => here.request('leaving', {}, { deadlineMs }));
        await here.flush(deadlineMs);
        serving.close();
        await there.close();
        assert.deepEqual(new Set(await Promise.all(replies)), new Set(['yes']));
      }));

    it('is no longer asked after the subscription was closed, which can be done twice', () =>
      connected(async (here, there) => {
        const serving = there.serve('gone', async () => 1);
        await there.flush(deadlineMs);
        serving.close();
        serving.close();
        await there.flush(deadlineMs);
        await assert.rejects(here.request('gone', {}, { deadlineMs }), { code: 'BUS_NO_RESPONDER' });
      }));
  });

  describe(`${name}: announcements`, () => {
    it('brings them to all who listen, in order, with their subject, in a later turn', () =>
      connected(async (here, there) => {
        const heard: string[] = [];
        const end = new EventEmitter();
        here.subscribe('news', (body) => heard.push(`here ${String(body)}`));
        there.subscribe('news', (body, subject) => {
          heard.push(`${subject} ${String(body)}`);
          if (body === 3) end.emit('end');
        });
        await Promise.all([here.flush(deadlineMs), there.flush(deadlineMs)]);
        const ended = once(end, 'end');
        for (const body of [1, 2, 3]) here.publish('news', body);
        assert.equal(heard.length, 0);
        await ended;
        await here.flush(deadlineMs);
        assert.deepEqual(
          heard.filter((line) => line.startsWith('news')),
          ['news 1', 'news 2', 'news 3'],
        );
        assert.deepEqual(
          heard.filter((line) => line.startsWith('here')),
          ['here 1', 'here 2', 'here 3'],
        );
      }));

    it('takes * for one token and > for one or more', () =>
      connected(async (here, there) => {
        const heard: Record<string, string[]> = { 'a.*': [], 'a.>': [], 'a.*.c': [], '*.b': [] };
        const end = new EventEmitter();
        for (const [pattern, list] of Object.entries(heard))
          there.subscribe(pattern, (_body, subject) => list.push(subject));
        there.subscribe('end', () => end.emit('end'));
        await there.flush(deadlineMs);
        const ended = once(end, 'end');
        for (const subject of ['a', 'a.b', 'a.b.c', 'a.x.c', 'a.b.c.d', 'b.b', 'end'])
          here.publish(subject, null);
        await ended;
        assert.deepEqual(heard, {
          'a.*': ['a.b'],
          'a.>': ['a.b', 'a.b.c', 'a.x.c', 'a.b.c.d'],
          'a.*.c': ['a.b.c', 'a.x.c'],
          '*.b': ['a.b', 'b.b'],
        });
      }));

    it('shows questions to those who merely listen, whose silence is BUS_TIMEOUT', () =>
      connected(async (here, there) => {
        const heard: unknown[] = [];
        there.subscribe('ask.>', (body) => heard.push(body));
        await there.flush(deadlineMs);
        await assert.rejects(here.request('ask.me', 'why', { deadlineMs: 50 }), { code: 'BUS_TIMEOUT' });
        assert.deepEqual(heard, ['why']);
      }));

    it('goes on after a listener that throws', async () => {
      const place = await open();
      const errors: unknown[] = [];
      const bus = await place.connect({ onError: (error) => errors.push(error) });
      const end = new EventEmitter();
      const bad = new Error('bad');
      bus.subscribe('news', (body) => {
        if (body === 'bad') throw bad;
        end.emit('end');
      });
      const ended = once(end, 'end');
      bus.publish('news', 'bad');
      bus.publish('news', 'good');
      await ended;
      assert.deepEqual(errors, [bad]);
      await bus.close();
      await place.close();
    });
  });

  describe(`${name}: bounds`, () => {
    it('takes a body of messageBytesMax and refuses one byte more, in questions, replies and announcements', async () => {
      const place = await open();
      const [here, there] = [await place.connect(), await place.connect({ onError: () => {} })];
      const longest = 'x'.repeat(messageBytesMax - 2);
      there.serve('same', async (body) => body);
      there.serve('more', async (body) => `${String(body)}y`);
      await there.flush(deadlineMs);
      assert.equal(await here.request('same', longest, { deadlineMs }), longest);
      await assert.rejects(here.request('same', `${longest}y`, { deadlineMs }), {
        code: 'BUS_MESSAGE_TOO_LARGE',
      });
      await assert.rejects(here.request('more', longest, { deadlineMs }), { code: 'BUS_MESSAGE_TOO_LARGE' });
      assert.throws(() => here.publish('same', `${longest}y`), { code: 'BUS_MESSAGE_TOO_LARGE' });
      await Promise.all([here.close(), there.close()]);
      await place.close();
    });

    it('refuses what is no subject, so that no name can carry a command of the protocol', () =>
      connected(async (here) => {
        for (const subject of [
          '',
          'a..b',
          '.a',
          'a b',
          'a\r\nPUB x 1',
          'a\u0000',
          'a.*',
          '>',
          'x'.repeat(600),
        ]) {
          assert.throws(() => here.publish(subject, 1), { code: 'BUS_SUBJECT_INVALID' }, subject);
          await assert.rejects(
            here.request(subject, 1, { deadlineMs }),
            { code: 'BUS_SUBJECT_INVALID' },
            subject,
          );
        }
        for (const pattern of ['', 'a.>.b', 'a.b*', 'a >']) {
          assert.throws(() => here.subscribe(pattern, () => {}), { code: 'BUS_SUBJECT_INVALID' }, pattern);
          assert.throws(() => here.serve(pattern, async () => 1), { code: 'BUS_SUBJECT_INVALID' }, pattern);
        }
      }));
  });

  describe(`${name}: without a connection`, () => {
    it('tells of the loss and of the return, and subscriptions live on', () =>
      connected(async (here, there, place) => {
        const changes: boolean[] = [];
        const listening = here.onConnection((connected) => changes.push(connected));
        there.serve('again', async () => 'here I am');
        await there.flush(deadlineMs);
        await place.interrupt();
        assert.deepEqual([here.connected, there.connected], [false, false]);
        await place.resume();
        assert.deepEqual([here.connected, there.connected, changes], [true, true, [false, true]]);
        await there.flush(deadlineMs);
        assert.equal(await here.request('again', {}, { deadlineMs }), 'here I am');
        listening.close();
      }));

    it('keeps a question until the connection is back, within its deadline, and asks none that was given up', () =>
      connected(async (here, there, place) => {
        const asked = new Set<unknown>();
        there.serve('patience', async (body) => {
          asked.add(body);
          return 'rewarded';
        });
        await there.flush(deadlineMs);
        await place.interrupt();
        const controller = new AbortController();
        const given = here.request('patience', 'given up', { deadlineMs, signal: controller.signal });
        await assert.rejects(here.request('patience', 'late', { deadlineMs: 20 }), { code: 'BUS_TIMEOUT' });
        controller.abort();
        await assert.rejects(given, { code: 'BUS_ABORTED' });
        const kept = retried(() => here.request('patience', 'kept', { deadlineMs: 30_000 }));
        await place.resume();
        assert.equal(await kept, 'rewarded');
        assert.deepEqual(asked, new Set(['kept']));
      }));

    it('rejects with BUS_DISCONNECTED at once what was asked when the connection is lost', () =>
      connected(async (here, there, place) => {
        const served = Promise.withResolvers<void>();
        const asked = Promise.withResolvers<void>();
        there.serve('lost', () => {
          asked.resolve();
          return served.promise;
        });
        await there.flush(deadlineMs);
        const lost = assert.rejects(here.request('lost', {}, { deadlineMs: 60_000 }), {
          code: 'BUS_DISCONNECTED',
        });
        await asked.promise;
        await place.interrupt();
        await lost;
        served.resolve();
        await place.resume();
      }));

    it('loses announcements without an error, and later ones arrive', () =>
      connected(async (here, there, place) => {
        const heard: unknown[] = [];
        const end = new EventEmitter();
        there.subscribe('news', (body) => {
          heard.push(body);
          end.emit('heard');
        });
        await there.flush(deadlineMs);
        await place.interrupt();
        here.publish('news', 'lost');
        await place.resume();
        await there.flush(deadlineMs);
        const arrived = once(end, 'heard');
        here.publish('news', 'later');
        await arrived;
        assert.deepEqual(heard, ['later']);
      }));
  });

  describe(`${name}: close`, () => {
    it('answers what is being served before it ends, and may be called twice', () =>
      connected(async (here, there) => {
        const events = new EventEmitter();
        const asked = once(events, 'asked');
        there.serve('last', async () => {
          const go = once(events, 'go');
          events.emit('asked');
          await go;
          return 'words';
        });
        await there.flush(deadlineMs);
        const reply = here.request('last', {}, { deadlineMs });
        await asked;
        const closed = Promise.all([there.close(), there.close()]);
        events.emit('go');
        assert.equal(await reply, 'words');
        await closed;
        assert.equal(there.connected, false);
        await assert.rejects(here.request('last', {}, { deadlineMs }), { code: 'BUS_NO_RESPONDER' });
      }));

    it('sends what was announced before it', () =>
      connected(async (here, there) => {
        const end = new EventEmitter();
        there.subscribe('goodbye', () => end.emit('end'));
        await there.flush(deadlineMs);
        const ended = once(end, 'end');
        here.publish('goodbye', 1);
        await here.close();
        await ended;
      }));

    it('rejects with BUS_CLOSED what waits and what comes later; announcing is passed over', () =>
      connected(async (here, there) => {
        const served = Promise.withResolvers<void>();
        there.serve('never', () => served.promise);
        await there.flush(deadlineMs);
        const waiting = assert.rejects(here.request('never', {}, { deadlineMs }), { code: 'BUS_CLOSED' });
        await here.close();
        await waiting;
        await assert.rejects(here.request('never', {}, { deadlineMs }), { code: 'BUS_CLOSED' });
        assert.throws(() => here.subscribe('x', () => {}), { code: 'BUS_CLOSED' });
        here.publish('x', 1);
        served.resolve();
      }));
  });
}

/** Both ends come back at their own time: until the other is there the server says that nobody serves it. */
async function retried(ask: () => Promise<unknown>): Promise<unknown> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'BUS_NO_RESPONDER' || performance.now() > deadline)
        throw error;
      await pause();
    }
  }
}
