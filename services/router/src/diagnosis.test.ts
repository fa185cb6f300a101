import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MemoryHub } from '@postern/bus';
import { type HealthFinding, type TunnelPresence, answer, listHealth } from '@postern/contracts';
import { Diagnosis } from './diagnosis.ts';
import type { Documents } from './document.ts';

it('tells the health of as many clients as one answer takes, each by what it found itself', async () => {
  const bus = new MemoryHub().connect();
  const clientIds = Array.from({ length: 300 }, (_, n) => `6mcjt6w95xr_${String(n).padStart(20, '0')}`);
  const destinationIds = Array.from({ length: 200 }, (_, n) => `d${n}`);
  const found = (clientId: string, destinationId: string): HealthFinding & { clientId: string } => ({
    clientId,
    destinationId,
    ok: false,
    since: '',
    cause: `${clientId} ${destinationId}`,
  });
  const [first = '', second = ''] = clientIds;
  const items = [found(first, 'd1'), found(second, 'd1'), found(first, 'd2')];
  answer(bus, listHealth, () => ({ items }), { suffix: 'edge-1' });
  const tunnel = (clientId: string) => ({ node: 'edge-1', tunnel: { clientId } as TunnelPresence });
  const diagnosis = new Diagnosis({
    bus,
    documents: { destinations: { get: async () => null } } as unknown as Documents,
    presence: { tunnels: () => clientIds.map(tunnel), nodes: () => [], gateways: [] },
  });
  const told = await diagnosis.health({ gatewayId: '6mcjt6w95xr', destinationIds });
  assert.ok(Buffer.byteLength(JSON.stringify(told)) < 1024 * 1024);
  const causes = told.items.flatMap(({ state }) => Object.values(state).map(({ cause }) => cause));
  assert.deepEqual(new Set(causes), new Set([null, ...items.map(({ cause }) => cause)]));
  assert.equal(causes.filter((cause) => cause !== null).length, items.length);
  const one = await diagnosis.health({ gatewayId: '6mcjt6w95xr', destinationIds: ['d1'] });
  assert.deepEqual(Object.keys(one.items[0]?.state ?? {}), clientIds);
  await bus.close();
});
