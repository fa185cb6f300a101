/** The account that a server takes which refuses to run as root. */
import { execFileSync } from 'node:child_process';

/** User and group of an account, or undefined when we are not root and so run as ourselves. */
export function accountOf(name: string): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const number = (flag: string): number => Number(execFileSync('id', [flag, name], { encoding: 'utf8' }));
  return { uid: number('-u'), gid: number('-g') };
}
