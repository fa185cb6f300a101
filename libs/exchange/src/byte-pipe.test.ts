import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CallerEnd, type Joined, ResetCode, type Stream } from '@postern/tunnel';
import { BytePipe } from './byte-pipe.ts';
import type { Cause } from './cause.ts';
import type { Errand, Way } from './errand.ts';
import { testDoor } from './test-door.ts';

type OpeningEvents = Parameters<CallerEnd['open']>[0];

/** A caller of which nothing is opened, or all that is asked for, and what becomes of it. */
function start(protocol: CallerEnd['protocol'] = 'tcp', hasOther = false) {
  const happened: string[] = [];
  let ways = 0;
  let retry = (): void => {};
  let events = {} as OpeningEvents;
  const causeOf = (code: string): Cause => ({ code, text: '', end: 'edge' });
  const joined = Promise.withResolvers<Joined>();
  let isJoined = false;
  const stream = {
    peer: { id: 'client', bootId: 'boot-client' },
    pathLostAt: null as number | null,
    reset: (code: ResetCode, text: string) =>
      isJoined
        ? joined.resolve({ received: 0, sent: 0, reset: { code, text, origin: 'here' } })
        : events.onRefused(code, text, 'here'),
  };
  const errand: Errand = {
    answerSeconds: 5,
    idleTimeoutSeconds: 0,
    whyNot: () => null,
    nextWay: (again): Way | null => {
      retry = again;
      ways += 1;
      const name = `way ${ways}`;
      if (ways % 2 === 0) return null;
      return {
        peerId: name,
        open: () => stream as unknown as Stream,
        onRefused: () => void happened.push(`${name} refused`),
      };
    },
    hasOther: ({ id }) => hasOther && id === 'client',
    silence: () => causeOf('SILENT'),
    causeOfReset: (code) => causeOf(`RESET ${code}`),
    onStart: () => {},
    onOpened: () => {},
    onOver: (cause) => void happened.push(cause?.code ?? 'gone'),
  };
  const end: CallerEnd = {
    protocol,
    address: { address: '192.0.2.1', port: 1 },
    open: (told) => {
      events = told;
      return { carry: () => void happened.push('carried'), close: () => {} };
    },
    join: () => {
      isJoined = true;
      return joined.promise;
    },
    bytes: () => ({ fromCaller: 0, toCaller: 0 }),
    reset: () => void happened.push('reset'),
  };
  const pipe = new BytePipe(errand, end, testDoor().parts.voice);
  pipe.start();
  return {
    pipe,
    happened,
    retry: () => retry(),
    loseAt: (pathLostAt: number) => {
      events.onOpened(stream as unknown as Stream);
      stream.pathLostAt = pathLostAt;
    },
    over: async () => (await joined.promise, happened.at(-1)),
    refuse: (code: ResetCode, from: 'here' | 'peer') => events.onRefused(code, '', from),
  };
}

test('where nothing was reached the next way is taken, also one that there is only later', () => {
  const { happened, refuse, retry } = start();
  refuse(ResetCode.Refused, 'peer');
  assert.deepEqual(happened, ['carried', 'way 1 refused']);
  retry();
  assert.equal(happened.at(-1), 'carried');
});

test('where something may have been reached no other way is taken', () => {
  const { happened, refuse } = start();
  refuse(ResetCode.PathLost, 'peer');
  assert.deepEqual(happened, ['carried', 'reset', `RESET ${ResetCode.PathLost}`]);
});

test('a caller that goes is nobody’s fault, with a stream or while it waits for a way', () => {
  for (const waits of [false, true]) {
    const { happened, refuse } = start();
    if (waits) refuse(ResetCode.Refused, 'peer');
    refuse(ResetCode.Cancelled, 'here');
    assert.deepEqual(happened.slice(-2), ['reset', 'gone']);
  }
});

test('another end that gives no answer is not waited for longer than its errand says', () => {
  const { pipe, happened } = start();
  const now = performance.now();
  pipe.tick(now + 4_900);
  assert.equal(happened.at(-1), 'carried');
  pipe.tick(now + 5_000);
  pipe.end({ code: 'LATE', text: '', end: 'edge' });
  assert.deepEqual(happened, ['carried', 'reset', 'SILENT']);
});

test('a flow whose other end has gone begins anew where another is there; without one it waits, as a connection does', async () => {
  const flow = start('udp', true);
  flow.loseAt(1_000);
  flow.pipe.tick(5_900);
  assert.equal(flow.happened.at(-1), 'carried');
  flow.pipe.tick(6_000);
  assert.equal(await flow.over(), `RESET ${ResetCode.PathLost}`);
  for (const [protocol, hasOther] of [
    ['udp', false],
    ['tcp', true],
  ] as const) {
    const waiting = start(protocol, hasOther);
    waiting.loseAt(1_000);
    waiting.pipe.tick(60_000);
    assert.equal(waiting.happened.at(-1), 'carried');
  }
});
