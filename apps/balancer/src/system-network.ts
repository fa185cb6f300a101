/**
 * What this program changes in the system's network by itself: nftables' rules, and static addresses on loopback. It waits
 * for each change, so that none overtakes another; there is nothing else here that must not wait.
 */
import { execFileSync } from 'node:child_process';
import type { SocketAddress } from 'node:net';
import { BalancerError } from './errors.ts';

const loopback = 'lo';
/** A busy machine takes its time; rules that stay are worse. */
const withinMs = 10_000;

/** Has nftables take rules, all or none. */
export function takeRules(text: string): void {
  if (text !== '') run('nft', ['-f', '-'], text);
}

/** Puts an address on loopback: it is the machine's own then, and on no network. */
export function addToLoopback(address: SocketAddress): void {
  run('ip', ['address', 'replace', withBits(address), 'dev', loopback]);
}

/** Takes it away again. */
export function removeFromLoopback(address: SocketAddress): void {
  run('ip', ['address', 'delete', withBits(address), 'dev', loopback]);
}

/** Whether the system still sends what closed connections of that address have left. */
export function isSendingFrom({ address }: SocketAddress): boolean {
  const states = ['fin-wait-1', 'closing', 'last-ack'].flatMap((state) => ['state', state]);
  return run('ss', ['-H', '-t', '-n', ...states, 'src', `[${address}]`]).trim() !== '';
}

function withBits({ address, family }: SocketAddress): string {
  return `${address}/${family === 'ipv6' ? 128 : 32}`;
}

/** Throws with the program's own words. */
function run(command: string, args: readonly string[], input = ''): string {
  try {
    return execFileSync(command, args, { input, encoding: 'utf8', stdio: 'pipe', timeout: withinMs });
  } catch (cause) {
    const words = (cause as { stderr?: string }).stderr?.trim().split('\n')[0];
    throw new BalancerError('BALANCER_HANDOVER_FAILED', `${command}: ${words || String(cause)}`, { cause });
  }
}
