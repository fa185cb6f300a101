import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusError, type Bus, type BusErrorCode } from '@postern/bus';
import { patientBus } from './patient-bus.ts';

/** A bus whose questions fail with these codes, one after the other, and then are answered. */
function failing(...codes: BusErrorCode[]): { bus: Bus; asked: number[] } {
  const asked: number[] = [];
  const request: Bus['request'] = async (_subject, _body, { deadlineMs }) => {
    asked.push(deadlineMs);
    const code = codes[asked.length - 1];
    if (code !== undefined) throw new BusError(code, 'as the test wants');
    return 'answer';
  };
  return { bus: patientBus({ request } as Bus), asked };
}

const options = { deadlineMs: 5_000 };

test('what nobody serves is asked again, whatever it is', async () => {
  const { bus, asked } = failing('BUS_NO_RESPONDER', 'BUS_NO_RESPONDER');
  assert.equal(await bus.request('router.gateways.create', {}, options), 'answer');
  assert.equal(asked.length, 3);
});

test('a reply that was lost is asked for again where nothing was changed', async () => {
  for (const code of ['BUS_TIMEOUT', 'BUS_DISCONNECTED'] as const) {
    for (const subject of ['router.gateways.get', 'acl.access-list.explain']) {
      assert.equal(await failing(code).bus.request(subject, {}, options), 'answer', subject);
    }
    for (const subject of [
      'router.gateways.create',
      'router.gateways.update',
      'acl.access-list.put',
      'router.gateways.delete',
      'acl.tokens.revoke',
      'router.restore.check',
    ]) {
      await assert.rejects(failing(code).bus.request(subject, {}, options), { code }, subject);
    }
  }
});

test('other refusals are told at once', async () => {
  const { bus, asked } = failing('BUS_OVERLOADED');
  await assert.rejects(bus.request('router.gateways.get', {}, options), { code: 'BUS_OVERLOADED' });
  assert.equal(asked.length, 1);
});

test('the deadline of a question holds over all its tries', async () => {
  const { bus, asked } = failing(...Array<BusErrorCode>(50).fill('BUS_NO_RESPONDER'));
  await assert.rejects(bus.request('router.gateways.get', {}, { deadlineMs: 250 }), {
    code: 'BUS_NO_RESPONDER',
  });
  assert.ok(asked.length <= 3);
});

test('a reply that never came is told with the time of all tries, not of the last', async () => {
  let tries = 0;
  const request: Bus['request'] = async (subject, _body, { deadlineMs }) => {
    tries += 1;
    if (tries === 1) throw new BusError('BUS_NO_RESPONDER', 'nobody yet');
    throw new BusError('BUS_TIMEOUT', `no reply from ${subject} within ${Math.round(deadlineMs)} ms`);
  };
  const asked = patientBus({ request } as Bus).request('router.gateways.create', {}, options);
  await assert.rejects(asked, { message: 'no reply from router.gateways.create within 5000 ms' });
});

/** A bus that never answers of itself. */
function silent(): { bus: Bus; asked: ((answer: string) => void)[]; askedTwice: Promise<void> } {
  const asked: ((answer: string) => void)[] = [];
  const twice = Promise.withResolvers<void>();
  const request: Bus['request'] = () =>
    new Promise((resolve) => {
      if (asked.push(resolve) === 2) twice.resolve();
    });
  return { bus: patientBus({ request } as Bus, { lostAfterMs: 10 }), asked, askedTwice: twice.promise };
}

test('a reply that comes late is taken, though it was asked for again', async () => {
  const { bus, asked, askedTwice } = silent();
  const answer = bus.request('router.gateways.get', {}, options);
  await askedTwice;
  asked[0]?.('the database is out of reach');
  assert.equal(await answer, 'the database is out of reach');
});

test('what may be done once only is asked once, however late the reply is', async () => {
  const { bus, asked } = silent();
  const repeatable = silent();
  const answer = bus.request('router.gateways.create', {}, options);
  void repeatable.bus.request('router.gateways.get', {}, options);
  await repeatable.askedTwice;
  assert.equal(asked.length, 1);
  asked[0]?.('done');
  assert.equal(await answer, 'done');
});
