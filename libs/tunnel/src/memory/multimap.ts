/** Several values under one key; a key without values takes no room. */
export class Multimap<Value> {
  readonly #sets = new Map<string, Set<Value>>();

  /** The values under a key, in the order in which they were added. May change while it is read. */
  get(key: string): Iterable<Value> {
    return this.#sets.get(key) ?? [];
  }

  /** How many values are under a key. */
  count(key: string): number {
    return this.#sets.get(key)?.size ?? 0;
  }

  /** How many there are under all keys; costs a look at each key. */
  countAll(): number {
    let count = 0;
    for (const set of this.#sets.values()) count += set.size;
    return count;
  }

  *values(): Iterable<Value> {
    for (const set of this.#sets.values()) yield* set;
  }

  add(key: string, value: Value): void {
    const set = this.#sets.get(key);
    if (set === undefined) this.#sets.set(key, new Set([value]));
    else set.add(value);
  }

  /** Whether it was there. */
  delete(key: string, value: Value): boolean {
    const set = this.#sets.get(key);
    if (set?.delete(value) !== true) return false;
    if (set.size === 0) this.#sets.delete(key);
    return true;
  }
}
