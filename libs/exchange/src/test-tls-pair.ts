/** Both ends of a TLS connection on the loopback address, by a key that both know: no certificates are needed. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type TLSSocket, connect, createServer } from 'node:tls';

const psk = Buffer.alloc(16, 1);
const common = { ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' } as const;

/** `server` and `caller`, which is paused; both are destroyed at the end. */
export async function withTlsPair(
  work: (server: TLSSocket, caller: TLSSocket) => Promise<void>,
): Promise<void> {
  const listener = createServer({ ...common, pskCallback: () => psk }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const caller = connect({
    ...common,
    port,
    host: '127.0.0.1',
    pskCallback: () => ({ psk, identity: 'caller' }),
    checkServerIdentity: () => undefined,
  });
  const [[server]] = (await Promise.all([
    once(listener, 'secureConnection'),
    once(caller, 'secureConnect'),
  ])) as [[TLSSocket], unknown];
  caller.pause();
  try {
    await work(server, caller);
  } finally {
    server.destroy();
    caller.destroy();
    listener.close();
  }
}
