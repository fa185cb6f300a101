/**
 * Tells this node's clients when the fleet is another one: a node has come, gone, or takes no more tunnels. So a client
 * whose tunnels end at one node moves one as soon as there are two. Changes that come together are told together, and
 * clients are told in groups, so that ten thousand of them do not stop the node.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { NodeAddress } from '@postern/contracts';
import type { Session } from '@postern/tunnel';

const settleMs = 250;
const groupMax = 256;

/** What it needs of the node. */
export interface FleetNewsParts {
  /** The nodes that take tunnels, in an order of its own for each client. */
  nodes(): NodeAddress[];
  sessions(): readonly Session[];
}

/** Watches the fleet for the clients. */
export class FleetNews {
  readonly #parts: FleetNewsParts;
  #told: string | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(parts: FleetNewsParts) {
    this.#parts = parts;
  }

  /** Something about some node is new. */
  look(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      void this.#tell();
    }, settleMs).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  async #tell(): Promise<void> {
    const fleet = JSON.stringify(this.#parts.nodes().toSorted((a, b) => (a.node < b.node ? -1 : 1)));
    if (fleet === this.#told) return;
    this.#told = fleet;
    let told = 0;
    for (const session of this.#parts.sessions()) {
      if (session.closed) continue;
      session.sendControl({ kind: 'fleet', nodes: this.#parts.nodes() });
      told += 1;
      if (told % groupMax === 0) await turn();
    }
  }
}
