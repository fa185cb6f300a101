import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import { BusError, MemoryHub, type Bus } from '@postern/bus';
import { answer, ask, getAccessList, putAccessList, type AccessListInput } from '@postern/contracts';
import { askToChange, type ChangeOf } from './change.ts';
import { object, refusal } from './fixture/stand-in.ts';

const gatewayId = 'gw1';
const wide = listOf('*');
const narrow = listOf('10.0.0.5');

function listOf(host: string): AccessListInput {
  return { rules: [{ action: 'allow', host, port: '*' }] };
}

/** An owner of one access list. `meet` is waited for with each change, by its number, before it is looked at. */
function owner(meet: (change: number) => unknown = () => undefined): {
  bus: Bus;
  hosts: () => string[];
  revisions: (number | undefined)[];
  change: (input: AccessListInput) => void;
} {
  const hub = new MemoryHub();
  const bus = hub.connect();
  const revisions: (number | undefined)[] = [];
  let list = { ...object('list'), id: gatewayId, rules: [] as AccessListInput['rules'] };
  const change = ({ rules }: AccessListInput) => (list = { ...list, rules, revision: list.revision + 1 });
  answer(bus, getAccessList, () => list);
  answer(bus, putAccessList, async ({ input, revision }) => {
    await meet(revisions.push(revision));
    if (revision !== undefined && revision !== list.revision) throw refusal('ACL_REVISION_STALE', 412);
    return change(input);
  });
  return { bus: hub.connect(), hosts: () => list.rules.map(({ host }) => host), revisions, change };
}

function put(
  bus: Bus,
  input: AccessListInput,
  of: Partial<Omit<ChangeOf, 'current'>> = {},
): Promise<{ revision: number }> {
  const current = () => ask(bus, getAccessList, { gatewayId });
  return askToChange(bus, putAccessList, { gatewayId, input }, { revision: undefined, ...of, current });
}

test('a replica that stood still and wakes late undoes no change that was made after its own was', async () => {
  const asleep = Promise.withResolvers<void>();
  const { bus, hosts } = owner((change) => (change === 1 ? asleep.promise : undefined));
  assert.equal((await put(bus, wide, { lostAfterMs: 10 })).revision, 2);
  await put(bus, narrow);
  asleep.resolve();
  await turn();
  await ask(bus, getAccessList, { gatewayId });
  assert.deepEqual(hosts(), ['10.0.0.5']);
});

test('a change of which any revision will do is tried again where another was faster', async () => {
  const { bus, hosts, revisions, change } = owner((number) => (number <= 2 ? change(wide) : undefined));
  assert.equal((await put(bus, narrow)).revision, 4);
  assert.deepEqual(hosts(), ['10.0.0.5']);
  assert.deepEqual(revisions, [1, 2, 3]);
});

test('a change that was made, but whose reply was lost, is told as made', async () => {
  const { bus, hosts } = owner();
  let asked = 0;
  const losing = losingReplies(bus, (subject) => subject === putAccessList.subject && (asked += 1) === 1);
  assert.equal((await put(losing, narrow)).revision, 3);
  assert.deepEqual(hosts(), ['10.0.0.5']);
});

test('a change that names a revision is asked for once, and refused where that is stale', async () => {
  const { bus, revisions, change } = owner();
  change(wide);
  await assert.rejects(put(bus, narrow, { revision: 1 }), { code: 'ACL_REVISION_STALE' });
  assert.deepEqual(revisions, [1]);
});

test('who names no revision is not told of a stale one, however often others are faster', async () => {
  const { bus, change } = owner(() => change(wide));
  await assert.rejects(put(bus, narrow, { triedForMs: 20 }), { code: 'ADMIN_ANSWER_LATE' });
});

test('other refusals are told at once', async () => {
  const { bus, revisions } = owner(() => {
    throw refusal('ACL_RULES_INVALID', 400);
  });
  await assert.rejects(put(bus, narrow), { code: 'ACL_RULES_INVALID' });
  assert.equal(revisions.length, 1);
});

/** The same bus, whose connection is lost once what `isLost` says was done. */
function losingReplies(bus: Bus, isLost: (subject: string) => boolean): Bus {
  const request: Bus['request'] = async (subject, body, options) => {
    const reply = await bus.request(subject, body, options);
    if (isLost(subject)) throw new BusError('BUS_DISCONNECTED', 'as the test wants');
    return reply;
  };
  return { request } as Bus;
}
