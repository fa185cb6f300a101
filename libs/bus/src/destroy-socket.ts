/**
 * Ends the connection of a server that has fallen silent. The driver first waits until all that was written has left this
 * process. With more on its way than the system's buffers take that is never where the server is frozen, and a quarter of
 * an hour where its power is gone: the service would be without a bus although another server is there, and its end would
 * not come. What is written is lost either way.
 *
 * The socket is found by the driver's own names, which its documentation does not have; where it is not found the driver
 * does as it does.
 */
import type { Socket } from 'node:net';
import type { NatsConnection } from '@nats-io/transport-node';

/** Destroys the socket of a connection, where it has one; what the driver waits for on it fails. */
export function destroySocket(nats: NatsConnection): void {
  const { protocol } = nats as { protocol?: { transport?: { socket?: Pick<Socket, 'destroy'> } } };
  protocol?.transport?.socket?.destroy();
}
