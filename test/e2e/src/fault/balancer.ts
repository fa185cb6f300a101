/**
 * A balancer as callers have one before the nodes: it takes connections at one address and passes each to a node whose
 * `/readyz` answered 200 when last asked. A connection to a node that has gone all the same counts as failed, as it does
 * with a real one that does not dial anew.
 */
import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';
import type { Cluster, Endpoint } from '@postern/test-cluster';
import { resetSocket } from '@postern/tunnel';

const LOOK_MS = 100;

interface NodePlace {
  readonly ops: string;
  readonly front: Endpoint;
}

/** One balancer before one front. */
export class Balancer implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #nodes: readonly NodePlace[];
  readonly #timer: NodeJS.Timeout;
  #ready: Endpoint[] = [];
  #turn = 0;

  private constructor(nodes: readonly NodePlace[]) {
    this.#nodes = nodes;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) =>
      this.#pass(socket),
    );
    this.#timer = setInterval(() => void this.#look(), LOOK_MS);
  }

  /** Listens on a free port, before the front with this port on every node. */
  static async listen(cluster: Cluster, port: number): Promise<Balancer> {
    const nodes = cluster.processes.flatMap(({ kind, address, opsUrl }) => {
      return kind === 'edge' && opsUrl !== null ? [{ ops: opsUrl, front: { host: address, port } }] : [];
    });
    const balancer = new Balancer(nodes);
    await balancer.#look();
    balancer.#server.listen(0, '127.0.0.1');
    await once(balancer.#server, 'listening');
    return balancer;
  }

  get address(): Endpoint {
    return { host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #look(): Promise<void> {
    const answers = await Promise.all(
      this.#nodes.map(({ ops }) =>
        fetch(`${ops}/readyz`).then(
          ({ ok }) => ok,
          () => false,
        ),
      ),
    );
    this.#ready = this.#nodes.filter((_, index) => answers[index]).map(({ front }) => front);
  }

  #pass(near: Socket): void {
    this.#turn += 1;
    const node = this.#ready[this.#turn % this.#ready.length];
    if (node === undefined) {
      resetSocket(near);
      return;
    }
    const far = connect({ ...node, allowHalfOpen: true, noDelay: true });
    for (const [socket, other] of [[near, far] as const, [far, near] as const]) {
      this.#sockets.add(socket);
      socket.on('error', () => resetSocket(other));
      socket.on('close', () => this.#sockets.delete(socket));
    }
    near.pipe(far);
    far.pipe(near);
  }
}
