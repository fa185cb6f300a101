import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryBus } from '@postern/bus';
import type { FleetNode } from '@postern/contracts';
import { openSqlite } from '@postern/store';
import { openDocuments, type DestinationDocument } from './document.ts';
import { Fleet } from './fleet.ts';

const presence = { tunnels: () => [], gateways: [], nodes: () => [] };

const node: FleetNode = {
  name: 'edge-1',
  bootId: 'b',
  startedAt: '2026-01-01T00:00:00.000Z',
  version: '0.1.0',
  zone: '',
  address: '127.0.0.1:9000',
  heard: true,
  ready: true,
  draining: false,
  tunnels: 0,
  callers: 0,
};

test('the fronts of many gateways are listed page by page, of which each reads those of a few', async () => {
  const documents = await openDocuments(openSqlite(':memory:'));
  const ids = Array.from({ length: 100 }, (_, n) => `g${n}`);
  for (const gatewayId of ids) {
    for (const name of ['a', 'b', 'c']) {
      const front = { protocol: 'tcp', host: 'h', port: 1, tls: { mode: 'none' } };
      const destination = { id: `${name}${gatewayId}`, revision: 1, gatewayId, name, front };
      await documents.destinations.insert(destination as DestinationDocument);
    }
  }
  let read = 0;
  const stored = documents.destinations;
  const destinations: typeof stored = {
    ...stored,
    list: async (options) => {
      const page = await stored.list(options);
      read += page.items.length;
      return page;
    },
  };
  const fleet = new Fleet({ bus: memoryBus(), documents: { ...documents, destinations }, presence });
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    read = 0;
    const page = await fleet.listFronts({ gatewayIds: [...ids, 'gone', 'g1'], limit: 7, cursor });
    seen.push(...page.items.map(({ destinationId }) => destinationId));
    assert.ok(read <= 3 * 16);
    cursor = page.nextCursor;
  } while (cursor !== null);
  assert.equal(seen.length, 300);
  assert.equal(new Set(seen).size, 300);
});

test('a node that is silent is not shown as ready, whatever it said last', async (t) => {
  const store = openSqlite(':memory:');
  t.after(() => store.close());
  const silent = { ...node, name: 'edge-2', heard: false };
  const fleet = new Fleet({
    bus: memoryBus(),
    documents: await openDocuments(store),
    presence: { tunnels: () => [], gateways: [], nodes: () => [node, silent] },
  });
  assert.deepEqual(
    fleet.listNodes().items.map(({ name, heard, ready }) => [name, heard, ready]),
    [
      ['edge-1', true, true],
      ['edge-2', false, false],
    ],
  );
});
