import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FileReserve, silentLogger } from '@postern/telemetry';
import { Compression, ResetCode, type Stream } from '@postern/tunnel';
import { Refusals } from '../caller/refusals.ts';
import { policyOf, routeOf } from '../fixture/documents.ts';
import { FilePlaces } from '../gate/file-places.ts';
import { CloudStreams } from './cloud-streams.ts';

/** What becomes of this many streams to a cloud resource that is out of reach, one after the other. */
async function resetsOf(count: number, files: FilePlaces): Promise<string[]> {
  const { front: _front, ...route } = routeOf();
  const streams = new CloudStreams({
    policy: () => policyOf(),
    route: () => ({ ...route, kind: 'cloud', clientPort: 15432 }),
    hosts: () => {
      throw new Error('out of reach');
    },
    compression: new Compression(),
    files,
    reach: () => null,
    material: async () => [],
    refusals: new Refusals(silentLogger),
    traces: null,
    dialsMax: 8,
    streamsMax: 8,
  });
  const resets: string[] = [];
  const caller = { address: '10.9.9.9', port: 4711 };
  for (let served = 0; served < count; served += 1)
    await streams.serve({
      scope: 'g1',
      metadata: { destinationId: 'd1', trackingId: 't', caller },
      reset: (code: ResetCode, text: string) => resets.push(`${code} ${text.slice(0, 60)}`),
    } as unknown as Stream);
  assert.equal(streams.size, 0);
  return resets;
}

test('a stream to a cloud resource leaves the node the file descriptors that callers leave it', async () => {
  const files = new FilePlaces(new FileReserve(() => ({ open: 15, max: 16 })));
  const full = `${ResetCode.Limit} EDGE_CONNECTIONS_FULL: the node has no file descriptors left`;
  assert.deepEqual(await resetsOf(1, files), [full]);
});

test('a stream to a cloud resource that is over gives its file descriptor back', async () => {
  const files = new FilePlaces(new FileReserve(() => ({ open: 0, max: 4 })));
  const [first, ...others] = await resetsOf(3, files);
  assert.doesNotMatch(first ?? '', /EDGE_CONNECTIONS_FULL/);
  assert.deepEqual(others, [first, first]);
});
