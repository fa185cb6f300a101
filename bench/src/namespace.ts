// A network and a process namespace of its own for the whole run, where the user may make one: its ports meet
// nobody else's, nothing can leave the machine, and everything that was started ends when it ends. Elsewhere
// the run stays on the machine's own loopback, with free ports.

import { spawn } from 'node:child_process';
import { descendants, readProcesses } from './proc.ts';
import { run } from './program.ts';

const marker = 'POSTERN_BENCH_INSIDE';
const stepTimeoutMs = 10_000;
const stopTimeoutMs = 15_000;
const flags = ['--net', '--pid', '--fork', '--kill-child', '--mount-proc'];

/** Whether this process already runs in a namespace that runInNamespace made. */
export function insideNamespace(): boolean {
  return process.env[marker] === '1';
}

/** Whether one can be made here. */
export async function canMakeNamespace(): Promise<boolean> {
  const command = { file: 'unshare', args: [...flags, 'ip', 'link', 'set', 'lo', 'up'] };
  return run(command, stepTimeoutMs).then(
    () => true,
    () => false,
  );
}

/** Gives the new namespace its loopback; the first thing to be done inside. */
export async function prepareInside(): Promise<void> {
  await run({ file: 'ip', args: ['link', 'set', 'lo', 'up'] }, stepTimeoutMs);
}

/** Runs this same command again inside and returns how it ended. Signals are passed on to it. */
export async function runInNamespace(): Promise<number> {
  const child = spawn(
    'unshare',
    [...flags, process.execPath, ...process.execArgv, ...process.argv.slice(1)],
    {
      stdio: 'inherit',
      env: { ...process.env, [marker]: '1' },
    },
  );
  const passOn = (): void => {
    void stopInside(child.pid ?? 0);
    setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs).unref();
  };
  process.on('SIGINT', passOn).on('SIGTERM', passOn);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

async function stopInside(unshare: number): Promise<void> {
  const inner = descendants(await readProcesses(), [unshare]).find(({ parent }) => parent === unshare);
  if (inner !== undefined) process.kill(inner.pid, 'SIGTERM');
}
