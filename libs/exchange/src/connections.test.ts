import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Connections } from './connections.ts';
import { testDoor, testFacts } from './test-door.ts';
import { withPair } from './test-pair.ts';

for (const http2 of [false, true]) {
  test(`a connection that is over before it is taken is not kept, ${http2 ? 'with' : 'without'} HTTP/2`, () =>
    withPair(async (socket) => {
      const door = testDoor();
      const connections = new Connections(door.parts);
      socket.destroy();
      await once(socket, 'close');
      let closed = 0;
      connections.accept({
        trackingId: 'id',
        socket,
        head: Buffer.alloc(0),
        facts: testFacts,
        http2,
        errand: (request) => door.errand(request),
        onRefused: () => {},
        onClosed: () => void (closed += 1),
      });
      assert.equal(connections.size, 0);
      assert.equal(closed, 1);
    }));
}
