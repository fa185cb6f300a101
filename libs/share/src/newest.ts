/**
 * Sets what a key has and makes it the newest; beyond `max` the oldest is forgotten. For what is remembered of whoever
 * comes, where to forget somebody costs little.
 */
export function setNewest<Key, Value>(map: Map<Key, Value>, key: Key, value: Value, max: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= max) return;
  const oldest = map.keys().next();
  if (!oldest.done) map.delete(oldest.value);
}
