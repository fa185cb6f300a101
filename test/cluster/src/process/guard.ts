/**
 * Nothing that the harness starts outlives it, whatever way it ends: a shell holds the other end of a pipe and
 * the list of process groups, and kills those groups when the pipe closes. That covers a test that ended without
 * stopping, one that the runner cut off, and `kill -9` of the harness.
 *
 *   harness ──"+ 4711\n"──► sh      one line when a part starts, "- 4711" when it ended by itself
 *           ──  (gone)  ──► sh ──kill -KILL──► each group still on the list
 *
 * Every part is started detached, so that its process group has its own pid. The guard is one too.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';

const SCRIPT = `
groups=" "
while read -r sign group; do
  case "$sign" in
    +) groups="$groups$group " ;;
    -) case "$groups" in *" $group "*) groups="\${groups%% "$group" *} \${groups#* "$group" }" ;; esac ;;
  esac
done
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done
`;

let guard: { process: ChildProcess; input: Writable } | undefined;

/** From now on the process group is killed when this process ends. */
export function guardGroup(pid: number): void {
  tell(`+ ${pid}\n`);
}

/** The group ended: its number may come to mean another. */
export function forgetGroup(pid: number): void {
  tell(`- ${pid}\n`);
}

function tell(line: string): void {
  guard ??= startGuard();
  guard.input.write(line);
}

/** Unreferenced, so that it does not keep the harness alive. */
function startGuard(): { process: ChildProcess; input: Writable } {
  const child = spawn('/bin/sh', ['-c', SCRIPT], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  const input = child.stdin;
  input.on('error', () => {});
  child.on('error', () => {});
  child.unref();
  (input as Writable & { unref?: () => void }).unref?.();
  return { process: child, input };
}
