/** What a command makes for itself is gone when it ends, by Ctrl-C too: a backup tells how a network looks inside. */
import { rmSync } from 'node:fs';
import { constants } from 'node:os';

/** Does the work, then removes what is at `path`; a signal removes it at once, and ends the process as a shell expects it. */
export async function withTemporary<T>(path: string, work: () => Promise<T>): Promise<T> {
  const remove = (): void => rmSync(path, { recursive: true, force: true });
  const end = (signal: 'SIGINT' | 'SIGTERM'): never => {
    remove();
    process.exit(128 + constants.signals[signal]);
  };
  process.on('SIGINT', end).on('SIGTERM', end);
  try {
    return await work();
  } finally {
    process.off('SIGINT', end).off('SIGTERM', end);
    remove();
  }
}
