/** For tests: whether anybody holds a slab. */
import type { Slab } from './slab.ts';

/** Nobody may hold one that nobody has. */
export function isHeld(slab: Slab): boolean {
  try {
    slab.hold();
  } catch {
    return false;
  }
  slab.release();
  return true;
}
