import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryHub } from '@postern/bus';
import {
  type Gateway,
  ServiceError,
  answer,
  catchUpAtNode,
  followGateway,
  getGateway,
  listNodes,
  updateGateway,
} from '@postern/contracts';
import { nodeOf } from '../fixture/node.ts';
import { object } from '../fixture/stand-in.ts';
import type { Call } from '../http/endpoint.ts';
import { gatewayEndpoints } from './gateway.ts';
import { answeredInForce } from './in-force.ts';

/** Disables a connected gateway beside a node that closes its tunnels when it catches up; what the answer shows. */
async function disable({ deletedMeanwhile = false }): Promise<unknown> {
  const bus = new MemoryHub().connect();
  let gateway: Gateway = {
    ...object('gw'),
    name: 'office',
    description: '',
    enabled: true,
    requireToken: true,
    connected: true,
    clients: 1,
  };
  let gone = false;
  answer(bus, getGateway, () => {
    if (gone)
      throw new ServiceError({ code: 'ROUTER_GATEWAY_NOT_FOUND', message: 'there is none', status: 404 });
    return gateway;
  });
  answer(bus, updateGateway, ({ patch }) => {
    gateway = { ...gateway, ...(patch as Partial<Gateway>), revision: gateway.revision + 1 };
    return gateway;
  });
  answer(bus, followGateway, () => ({}));
  answer(bus, listNodes, () => ({ items: [nodeOf('edge-1')] }));
  answer(
    bus,
    catchUpAtNode,
    () => {
      // Another operator has changed it meanwhile too, and that is another answer's.
      gateway = { ...gateway, name: 'another', revision: gateway.revision + 1, connected: false, clients: 0 };
      gone = deletedMeanwhile;
      return { node: 'edge-1' };
    },
    { suffix: 'edge-1' },
  );
  const one = answeredInForce(bus, gatewayEndpoints(bus)).find(
    ({ operationId }) => operationId === 'updateGateway',
  );
  const call = { params: { gatewayId: gateway.id }, body: { enabled: false }, query: {} };
  assert(one);
  const answered = await one.run(call as unknown as Call);
  await bus.close();
  const { name, enabled, connected, clients, revision } = answered.body as Gateway;
  return { name, enabled, connected, clients, revision: [revision, answered.revision] };
}

test('a gateway that was disabled is shown without the tunnels that this has closed', async () => {
  const shown = { name: 'office', enabled: false, connected: false, clients: 0, revision: [2, 2] };
  assert.deepEqual(await disable({}), shown);
});

test('a gateway that was deleted while its change came into force is shown as that change made it', async () => {
  const shown = { name: 'office', enabled: false, connected: true, clients: 1, revision: [2, 2] };
  assert.deepEqual(await disable({ deletedMeanwhile: true }), shown);
});
