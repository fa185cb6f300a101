import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bus, MemoryHub } from '@postern/bus';
import { type FleetNode, answer, catchUpAtNode, listNodes } from '@postern/contracts';
import { nodeOf } from '../fixture/node.ts';
import type { Answer, Call, Endpoint } from '../http/endpoint.ts';
import { endpoint } from '../http/endpoint.ts';
import { answeredInForce } from './in-force.ts';

/** One node that is up and has caught up when it is asked; `onAsked` is told each time. */
function answerAsNode(bus: Bus, onAsked: (question: { gatewayId?: string | null }) => void): void {
  answer(bus, listNodes, () => ({ items: [nodeOf('edge-1')] }));
  answer(
    bus,
    catchUpAtNode,
    (question) => {
      onAsked(question);
      return { node: 'edge-1' };
    },
    { suffix: 'edge-1' },
  );
}

/** A change as the API answers it; `params` are those of its path. */
async function run(
  bus: Bus,
  handle: () => Promise<Answer>,
  { params = {}, atNodes = true }: { params?: Record<string, string>; atNodes?: boolean } = {},
): Promise<Answer> {
  const stored = endpoint({
    method: 'PUT',
    path: '/things',
    operationId: 'putThing',
    tag: 'Things',
    summary: 'Change it',
    status: 204,
    ...(atNodes ? { atNodes } : {}),
    handle,
  });
  const [one] = answeredInForce(bus, [stored]) as [Endpoint];
  return one.run({ params, body: undefined, query: {} } as unknown as Call);
}

const nothing = async (): Promise<Answer> => ({});

/** Runs a change beside such nodes, of which `answering` answer; returns what was done, in turn. */
async function change(nodes: FleetNode[] | null, answering: string[], atNodes = true): Promise<string[]> {
  const bus = new MemoryHub().connect();
  const done: string[] = [];
  if (nodes !== null) answer(bus, listNodes, () => ({ items: nodes }));
  for (const node of answering) {
    answer(
      bus,
      catchUpAtNode,
      async () => {
        await new Promise((resolve) => setImmediate(resolve));
        done.push(node);
        return { node };
      },
      { suffix: node },
    );
  }
  const store = async (): Promise<Answer> => {
    done.push('stored');
    return {};
  };
  await run(bus, store, { atNodes });
  await bus.close();
  return [...done, 'answered'];
}

test('a change is answered when every node that is up has caught up with what was stored', async () => {
  const done = await change([nodeOf('edge-1'), nodeOf('edge-2')], ['edge-1', 'edge-2']);
  assert.deepEqual([done[0], done.slice(1, 3).sort(), done[3]], ['stored', ['edge-1', 'edge-2'], 'answered']);
});

test('a node that is not heard, is not ready, or does not answer holds up no change', async () => {
  const nodes = [
    nodeOf('gone', { heard: false }),
    nodeOf('new', { ready: false }),
    nodeOf('stuck'),
    nodeOf('edge-1'),
  ];
  assert.deepEqual(await change(nodes, ['gone', 'new', 'edge-1']), ['stored', 'edge-1', 'answered']);
  assert.deepEqual(await change(null, []), ['stored', 'answered']);
});

test('the answer names the nodes that have not said that a change is in force there, and asks those that drain', async () => {
  const bus = new MemoryHub().connect();
  const nodes = [
    nodeOf('silent', { heard: false, ready: false }),
    nodeOf('new', { ready: false }),
    nodeOf('stuck'),
    nodeOf('behind'),
    nodeOf('former'),
    nodeOf('drains', { ready: false, draining: true }),
    nodeOf('edge-1'),
  ];
  answer(bus, listNodes, () => ({ items: nodes }));
  const asked: string[] = [];
  for (const [node, said] of Object.entries({
    silent: { fetched: true },
    behind: { fetched: false },
    former: {},
    drains: { fetched: true },
    'edge-1': { fetched: true },
  })) {
    const take = () => {
      asked.push(node);
      return { node, ...said };
    };
    answer(bus, catchUpAtNode, take, { suffix: node });
  }
  assert.deepEqual(await run(bus, nothing), { notInForceAt: ['silent', 'stuck', 'behind'] });
  assert.deepEqual(asked.sort(), ['behind', 'drains', 'edge-1', 'former']);
  nodes.splice(0, 4);
  assert.deepEqual(await run(bus, nothing), {});
  await bus.close();
  assert.deepEqual(await run(new MemoryHub().connect(), nothing), { notInForceAt: ['*'] });
});

test('nodes wait for the clients of the gateway that was changed, and for none where no gateway was', async () => {
  const bus = new MemoryHub().connect();
  const asked: unknown[] = [];
  answerAsNode(bus, ({ gatewayId }) => asked.push(gatewayId));
  await run(bus, nothing, { params: { gatewayId: 'g1' } });
  await run(bus, nothing);
  assert.deepEqual(asked, ['g1', null]);
  await bus.close();
});

test('what nodes say of a change is asked for when it is in force', async () => {
  const bus = new MemoryHub().connect();
  const done: string[] = [];
  answerAsNode(bus, () => done.push('in force'));
  const answered = await run(bus, async () => ({
    revision: 2,
    whenInForce: async () => {
      done.push('asked');
      return { thing: 1 };
    },
  }));
  assert.deepEqual([done, answered], [['in force', 'asked'], { revision: 2, body: { thing: 1 } }]);
  await bus.close();
});

test('what changes nothing at nodes asks none', async () => {
  assert.deepEqual(await change([nodeOf('edge-1')], ['edge-1'], false), ['stored', 'answered']);
});
