/** A `Multimap` of what comes and goes all the time, each under an ID that no other has (`SlotMap` says what for). */
import { SlotMap } from './slot-map.ts';

/** Several values under one key, found by their IDs; a key without values takes no room. */
export class SlotMultimap<Id extends string | number, Value extends object> {
  readonly #maps = new Map<string, SlotMap<Id, Value>>();

  /** The values under a key, in the order in which they were added. May change while it is read. */
  get(key: string): Iterable<Value> {
    return this.#maps.get(key)?.values() ?? [];
  }

  /** How many values are under a key. */
  count(key: string): number {
    return this.#maps.get(key)?.size ?? 0;
  }

  /** How many there are under all keys; costs a look at each key. */
  countAll(): number {
    let count = 0;
    for (const map of this.#maps.values()) count += map.size;
    return count;
  }

  *values(): Iterable<Value> {
    for (const map of this.#maps.values()) yield* map.values();
  }

  add(key: string, id: Id, value: Value): void {
    let map = this.#maps.get(key);
    if (map === undefined) this.#maps.set(key, (map = new SlotMap()));
    map.set(id, value);
  }

  /** Whether it was there. */
  delete(key: string, id: Id): boolean {
    const map = this.#maps.get(key);
    if (map?.delete(id) !== true) return false;
    if (map.size === 0) this.#maps.delete(key);
    return true;
  }
}
