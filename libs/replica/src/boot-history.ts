/**
 * The boots that are over: whatever arrives of them later is passed over, so that a node that was replaced or said
 * goodbye never comes back by a message that was late.
 */
const bootsPerNodeMax = 32;
const nodesMax = 4_096;

/** Remembers the last boots of each node, of the nodes that ended last. */
export class BootHistory {
  readonly #over = new Map<string, string[]>();

  add(node: string, bootId: string): void {
    const boots = (this.#over.get(node) ?? []).filter((boot) => boot !== bootId);
    this.#over.delete(node);
    this.#over.set(node, [...boots.slice(1 - bootsPerNodeMax), bootId]);
    const [oldest] = this.#over.keys();
    if (this.#over.size > nodesMax && oldest !== undefined) this.#over.delete(oldest);
  }

  has(node: string, bootId: string): boolean {
    return this.#over.get(node)?.includes(bootId) ?? false;
  }
}
