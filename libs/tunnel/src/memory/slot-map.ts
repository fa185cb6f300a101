/**
 * A map of what comes and goes all the time, as streams do.
 *
 * V8 makes the table of a long-lived `Map` or `Set` in old memory, anew after so many deletions as it has places, and the
 * one that it leaves there keeps what was in it until the next marking of the whole heap: a young collection does not
 * look whether somebody in old memory is alive. So half of all streams, each with its sockets, outlived their end, were
 * copied twice, and marked. Here the tables have numbers, and who has left is nowhere.
 */
export class SlotMap<Key extends string | number, Value extends object> {
  readonly #slots = new Map<Key, number>();
  readonly #values: (Value | null)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#slots.size;
  }

  get(key: Key): Value | undefined {
    const slot = this.#slots.get(key);
    return slot === undefined ? undefined : (this.#values[slot] as Value);
  }

  set(key: Key, value: Value): void {
    const slot = this.#slots.get(key) ?? this.#free.pop() ?? this.#values.length;
    this.#values[slot] = value;
    this.#slots.set(key, slot);
  }

  /** Whether it was there. */
  delete(key: Key): boolean {
    const slot = this.#slots.get(key);
    if (slot === undefined) return false;
    this.#slots.delete(key);
    this.#values[slot] = null;
    this.#free.push(slot);
    return true;
  }

  clear(): void {
    this.#slots.clear();
    this.#values.length = 0;
    this.#free.length = 0;
  }

  /** In the order in which they came. May change while it is read. */
  *values(): Generator<Value> {
    for (const slot of this.#slots.values()) yield this.#values[slot] as Value;
  }

  /** The same with their keys. */
  *[Symbol.iterator](): Generator<[Key, Value]> {
    for (const [key, slot] of this.#slots) yield [key, this.#values[slot] as Value];
  }
}
