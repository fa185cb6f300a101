/**
 * Package managers do not hand a SIGTERM on: pnpm ends the shell in which it runs a script, npx only itself, and the
 * program would live on without anybody knowing its pid. So a command that holds other processes watches those that
 * stand between it and the person who started it, and stops when one of them is gone.
 *
 *   npm exec ─► sh ─► pnpm ─► sh ─► this          watched, up to the uppermost package manager
 *   bash ─► this                                  nobody to watch
 *
 * What is above the package manager is not watched: a shell may end and leave its command running, on purpose.
 * Linux only, by /proc; elsewhere nothing is watched.
 */
import { readFileSync } from 'node:fs';

const PAUSE_MS = 250;
const DEPTH_MAX = 16;

interface Ancestor {
  readonly pid: number;
  readonly words: readonly string[];
}

/** Calls back once when a package manager that launched this process, or a shell of its, has gone. Does not keep the process alive. */
export function onLauncherGone(callback: () => void): void {
  const parent = process.ppid;
  const watched = launchers(ancestors(parent));
  if (watched.length === 0) return;
  const timer = setInterval(() => {
    if (process.ppid === parent && watched.every(isAlive)) return;
    clearInterval(timer);
    callback();
  }, PAUSE_MS);
  timer.unref();
}

/** Those up to the uppermost package manager; ancestors come nearest first. */
export function launchers(chain: readonly Ancestor[]): number[] {
  const foreign = chain.findIndex((one) => !isManager(one) && !isScriptShell(one));
  const own = foreign === -1 ? chain : chain.slice(0, foreign);
  return own.slice(0, own.findLastIndex(isManager) + 1).map(({ pid }) => pid);
}

/** `pnpm test`, `node /…/pnpm.cjs test`, `npm exec pnpm@12 test` (a title, in one word). */
function isManager({ words }: Ancestor): boolean {
  return words.slice(0, 2).some((word) => /(^|\/)(npm|npx|pnpm|yarn)(-cli|\.c?js|\.mjs)*( |$)/.test(word));
}

function isScriptShell({ words }: Ancestor): boolean {
  return /(^|\/)(sh|dash|bash)$/.test(words[0] ?? '') && words[1] === '-c';
}

function ancestors(from: number): Ancestor[] {
  const chain: Ancestor[] = [];
  for (let pid = from; pid > 1 && chain.length < DEPTH_MAX;) {
    try {
      chain.push({ pid, words: readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0') });
      pid = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
    } catch {
      break;
    }
  }
  return chain;
}

/** A zombie counts as gone: nobody may be there to collect it. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
