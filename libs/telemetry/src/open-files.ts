/** How many files and sockets the process has open, and may have. Cheap enough to be asked each second. */
import { readFileSync, statSync } from 'node:fs';

/** Both; null where the system does not say: Linux does since 6.2, without going through them all. */
export function openFiles(): { open: number; max: number } | null {
  try {
    const open = statSync('/proc/self/fd').size;
    return open === 0 ? null : { open, max: filesMax() ?? open };
  } catch {
    return null;
  }
}

/** Null where not one is left, as reading the limit wants one. */
function filesMax(): number | null {
  try {
    const [, max] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? [];
    return max === undefined ? Infinity : Number(max);
  } catch {
    return null;
  }
}
