/** A server of NATS that says what a test wants it to, to one bus. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { connectNats } from './connect-nats.ts';
import type { NatsBus } from './nats-bus.ts';

/** What the server writes for a line that came. */
type Answer = (line: string) => string | Promise<string>;

/** A PING gets its PONG, and nothing else an answer. */
export const answerPing: Answer = (line) => (line === 'PING' ? 'PONG\r\n' : '');

/** Connects a bus to a server of its own, which is gone with it. */
export async function connectToServer(
  answer: Answer,
  onError: (error: unknown) => void,
  bytesMax = 1024 * 1024,
): Promise<NatsBus> {
  const server = createServer((socket) => {
    const info = { server_id: 'A', version: '2.11.0', proto: 1, headers: true, max_payload: bytesMax };
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
    createInterface(socket).on('line', (line) => {
      void Promise.resolve(answer(line)).then((text) => socket.write(text));
    });
    socket.on('error', () => {});
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const bus = await connectNats({ servers: `nats://127.0.0.1:${port}`, name: 'test', onError });
  server.close();
  return bus;
}
