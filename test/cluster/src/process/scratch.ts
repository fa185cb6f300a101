/** A temporary folder that goes with its owner. */
import { chownSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const live = new Set<string>();

/** Makes a folder (0700) under the system's temporary one; it is removed at the process' end at the latest. */
export async function makeScratch(
  name: string,
  owner?: { readonly uid: number; readonly gid: number },
): Promise<string> {
  if (live.size === 0) process.once('exit', removeAll);
  const folder = await mkdtemp(join(tmpdir(), `postern-${name}-`));
  live.add(folder);
  if (owner !== undefined) chownSync(folder, owner.uid, owner.gid);
  return folder;
}

/** Removes a folder that `makeScratch` made. `POSTERN_TEST_KEEP` keeps all of them, to look into. */
export function removeScratch(folder: string): void {
  if (!live.delete(folder)) return;
  if (process.env['POSTERN_TEST_KEEP'] === undefined) rmSync(folder, { recursive: true, force: true });
}

function removeAll(): void {
  for (const folder of live) removeScratch(folder);
}
