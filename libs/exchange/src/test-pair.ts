/** Both ends of a TCP connection on the loopback address. */
import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';

/** `server` is paused and, as callers' connections are, may be half open; both are destroyed at the end, and may break before it. */
export async function withPair(work: (server: Socket, caller: Socket) => Promise<void>): Promise<void> {
  const listener = createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const caller = connect((listener.address() as AddressInfo).port, '127.0.0.1');
  caller.on('error', () => {});
  const [[server]] = (await Promise.all([once(listener, 'connection'), once(caller, 'connect')])) as [
    [Socket],
    unknown,
  ];
  server.on('error', () => {});
  try {
    await work(server, caller);
  } finally {
    server.destroy();
    caller.destroy();
    listener.close();
  }
}
