import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FileReserve, silentLogger } from '@postern/telemetry';
import { Compression, ResetCode, type Stream } from '@postern/tunnel';
import { Refusals } from '../caller/refusals.ts';
import { policyOf, routeOf } from '../fixture/documents.ts';
import { FilePlaces } from '../gate/file-places.ts';
import { CloudStreams } from './cloud-streams.ts';

test('a stream to a cloud resource leaves the node the file descriptors that callers leave it', async () => {
  const { front: _front, ...route } = routeOf();
  const streams = new CloudStreams({
    policy: () => policyOf(),
    route: () => ({ ...route, kind: 'cloud', clientPort: 15432 }),
    hosts: () => assert.fail('nothing is dialled'),
    compression: new Compression(),
    files: new FilePlaces(new FileReserve(() => ({ open: 15, max: 16 }))),
    reach: () => null,
    material: async () => [],
    refusals: new Refusals(silentLogger),
    traces: null,
    dialsMax: 8,
    streamsMax: 8,
  });
  const resets: string[] = [];
  const caller = { address: '10.9.9.9', port: 4711 };
  await streams.serve({
    scope: 'g1',
    metadata: { destinationId: 'd1', trackingId: 't', caller },
    reset: (code: ResetCode, text: string) => resets.push(`${code} ${text.slice(0, 60)}`),
  } as unknown as Stream);
  assert.deepEqual(resets, [
    `${ResetCode.Limit} EDGE_CONNECTIONS_FULL: the node has no file descriptors left`,
  ]);
  assert.equal(streams.size, 0);
});
