import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger, silentLogger } from '@postern/telemetry';
import { Refusals } from './refusals.ts';

const cause = {
  code: 'EDGE_ACCESS_DENIED',
  text: 'denied by "deny *:*"',
  end: 'edge',
  rule: '0: deny *:*',
} as const;

const callerOf = (trackingId: string) => ({
  destinationId: 'd1',
  trackingId,
  address: { address: '192.0.2.1', port: 1 },
});

test('the last 16 of a destination are kept, and all are counted', () => {
  const refusals = new Refusals(silentLogger);
  for (let i = 0; i < 20; i += 1) refusals.add(callerOf(`t${i}`), cause, 'turned away');
  assert.equal(refusals.counts.get('EDGE_ACCESS_DENIED'), 20);
  const last = refusals.last('d1');
  assert.equal(last.length, 16);
  assert.equal(last.at(-1)?.trackingId, 't19');
  refusals.forget('d1');
  assert.deepEqual(refusals.last('d1'), []);
});

test('a line names cause, rule, end, tracking ID and destination', () => {
  const lines: Record<string, unknown>[] = [];
  const destination = {
    write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>),
  };
  new Refusals(createLogger({ name: 'x', destination })).add(
    callerOf('t1'),
    cause,
    'a caller was turned away',
  );
  const { destinationId, trackingId, caller, code, end, rule, msg } = lines[0] ?? {};
  assert.deepEqual(
    { destinationId, trackingId, caller, code, end, rule, msg },
    {
      destinationId: 'd1',
      trackingId: 't1',
      caller: '192.0.2.1:1',
      code: 'EDGE_ACCESS_DENIED',
      end: 'edge',
      rule: '0: deny *:*',
      msg: 'a caller was turned away: denied by "deny *:*"',
    },
  );
});

test('a hammered front fills no disk', () => {
  let lines = 0;
  const refusals = new Refusals(createLogger({ name: 'x', destination: { write: () => (lines += 1) } }));
  for (let i = 0; i < 1000; i += 1) refusals.add(callerOf('t'), cause, 'turned away');
  assert.ok(lines <= 40, `${lines} lines`);
});
