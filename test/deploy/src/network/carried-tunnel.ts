/** Nodes' ends of tunnels that a balancer carries, and clients that are back at once when one ends. */
import { once } from 'node:events';
import { type Socket, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'node:tls';
import type { Address } from '../caller.ts';

const redialMs = 50;

/** Where one node's tunnels end: nothing is said on them, a balancer reads no more than the server name. */
export class TunnelEnd {
  readonly #open = new Set<Socket>();

  /** Listens there. `onClose` is called when a tunnel has ended. */
  static async start(host: string, port: number, onClose: () => void): Promise<TunnelEnd> {
    const end = new TunnelEnd();
    const server = createServer((socket) => {
      end.#open.add(socket);
      socket.on('error', () => {}).resume();
      socket.once('close', () => {
        end.#open.delete(socket);
        onClose();
      });
    });
    await once(server.listen(port, host), 'listening');
    return end;
  }

  /** The balancers that carry its tunnels now. */
  get carriers(): string[] {
    return [...this.#open].map(({ remoteAddress }) => remoteAddress ?? '');
  }
}

/** Keeps a tunnel to the node of that name, until it is told not to. */
export function keepTunnel(balancer: Address, servername: string): () => void {
  let isOver = false;
  let socket: Socket;
  const dial = (): void => {
    socket = connect({ ...balancer, servername, rejectUnauthorized: false });
    socket.on('error', () => {});
    socket.once('close', () => void delay(redialMs).then(() => isOver || dial()));
  };
  dial();
  return () => {
    isOver = true;
    socket.destroy();
  };
}
