import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, Socket, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { ResetCode } from '../error.ts';
import { Opening } from './opening.ts';
import type { StreamEnd } from '../stream/stream-end.ts';

test('a caller that goes while no stream is there to carry it is told of as refused from here', async () => {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const caller = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  const refused = new Promise((resolve) => {
    const onRefused = (...told: unknown[]) => resolve(told);
    const opening = new Opening(accepted, { onOpened: () => assert.fail(), onRefused });
    accepted.once('close', () => opening.close());
  });
  accepted.destroy();
  assert.deepEqual(await refused, [ResetCode.Cancelled, "the caller's connection was closed", 'here']);
  caller.destroy();
  server.close();
});

test('a caller that sends single bytes has them kept as few pieces, in their order', () => {
  const socket = new Socket();
  const opening = new Opening(socket, { onOpened: () => {}, onRefused: () => {} });
  const bytes = Buffer.from(Array.from({ length: 5_000 }, (_, index) => index % 251));
  for (const byte of bytes) socket.emit('data', Buffer.of(byte));
  const pieces: Buffer[] = [];
  const writeCopy = (piece: Buffer): void => void pieces.push(piece);
  opening.carry({ room: 0, writeCopy } as unknown as StreamEnd);
  assert.ok(pieces.length <= 64, `${pieces.length} pieces`);
  assert.ok(Buffer.concat(pieces).equals(bytes));
  opening.close();
});
