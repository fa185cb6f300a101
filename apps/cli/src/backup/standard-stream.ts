/**
 * `-` in place of a file: a backup goes to stdout or comes from stdin, for containers that have no folder of the host. A
 * backup's digest stands before it and is known after it, and a restore looks at all of a file first; so both go through
 * a file that only this process can read.
 */
import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { unusable } from './file.ts';
import { withTemporary } from './temporary.ts';

/** Gives `work` a path; what it has written there goes to stdout. */
export function throughStdout<T>(work: (path: string) => Promise<T>): Promise<T> {
  return inFolder(async (path) => {
    const result = await work(path);
    await pipeline(createReadStream(path), process.stdout, { end: false }).catch((cause: unknown) => {
      throw unusable('stdout', cause);
    });
    return result;
  });
}

/** Gives `work` a path that has what came from stdin. */
export function throughStdin<T>(work: (path: string) => Promise<T>): Promise<T> {
  return inFolder(async (path) => {
    await pipeline(process.stdin, createWriteStream(path, { mode: 0o600 })).catch((cause: unknown) => {
      throw unusable(path, cause);
    });
    return work(path);
  });
}

async function inFolder<T>(work: (path: string) => Promise<T>): Promise<T> {
  const folder = join(tmpdir(), `postern-backup-${randomUUID()}`);
  return withTemporary(folder, async () => {
    await mkdir(folder, { mode: 0o700 }).catch((cause: unknown) => {
      throw unusable(folder, cause);
    });
    return work(join(folder, 'backup'));
  });
}
