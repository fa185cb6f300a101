import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import type { Carrier } from './carrier.ts';
import { makePair } from './test-pair.ts';
import { tlsCarrier } from './tls-carrier.ts';
import { patternByte, patternBytes } from '../test-world.ts';

const pair = makePair();

/** Two carriers over one TLS connection on loopback. */
async function carriers(): Promise<{ near: Carrier; far: Carrier; close: () => void }> {
  const server = createServer({ ...pair, minVersion: 'TLSv1.3' });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
  const dialled = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    ca: pair.cert,
    servername: 'localhost',
  });
  await once(dialled, 'secureConnect');
  const [socket] = await accepted;
  return { near: tlsCarrier(dialled), far: tlsCarrier(socket), close: () => server.close() };
}

/** Sends the pattern in writes of these sizes and resolves when the other end has all of it, byte for byte. */
function carry(
  from: Carrier,
  to: Carrier,
  sizes: readonly number[],
  check: (held: Buffer[]) => void,
): Promise<void> {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let received = 0;
  let sent = 0;
  const held: { piece: Buffer; at: number }[] = [];
  const queue = [...sizes];
  const sendNext = (): void => {
    const size = queue.shift();
    if (size === undefined) return;
    const bytes = patternBytes(1, sent, size);
    sent += size;
    from.write(bytes, sendNext);
  };
  return new Promise((resolve) => {
    to.start({
      handleBytes: (chunk, slab) => {
        for (let i = 0; i < chunk.length; i += 97) assert.equal(chunk[i], patternByte(1, received + i));
        // Every third piece is held to the end: its memory must not be used again meanwhile.
        if (held.length < 40 && (received / 1000) % 3 < 1) {
          slab?.hold();
          held.push({ piece: chunk, at: received });
        }
        received += chunk.length;
        if (received < total) return;
        for (const { piece, at } of held) {
          assert.ok(piece.equals(patternBytes(1, at, piece.length)), `what came at ${at} was overwritten`);
        }
        check(held.map(({ piece }) => piece));
        resolve();
      },
      handleClose: () => {},
    });
    from.start({ handleBytes: () => {}, handleClose: () => {} });
    sendNext();
  });
}

for (const direction of ['to the end that dialled', 'to the end that accepted']) {
  test(`bytes come unchanged, and what is held is not overwritten, ${direction}`, async () => {
    const { near, far, close } = await carriers();
    const [from, to] = direction.includes('dialled') ? [far, near] : [near, far];
    const sizes = [
      1, 20, 5_000, 131_072, 131_072, 16_384, 3, 200_000, 131_072, 131_072, 131_072, 7, 131_072, 131_072, 100,
    ];
    await carry(from, to, sizes, (held) => assert.ok(held.length > 3));
    from.destroy();
    to.destroy();
    close();
  });
}
