/**
 * The moment between a node's first announcement and its first caller: it hears who is there, asks for their tunnels,
 * and its links come up. Before that it would turn callers away whose client has a tunnel at another node, and a node
 * that is restarted is to be no worse than the one that it replaces.
 */
import { setTimeout as sleep } from 'node:timers/promises';

const lookMs = 20;
/** A node that cannot be reached must not keep this one from serving. */
const settleMsMax = 3_000;

/** What is waited for. */
export interface JoinParts {
  /** Each node beats within this time. */
  joinDelayMs: number;
  /** Every node that is heard of has its link, and its tunnels are known. */
  isSettled(): boolean;
  signal: AbortSignal;
}

/** Resolves when the fleet is known as well as it will be, or at the signal. */
export async function joinFleet(parts: JoinParts): Promise<void> {
  const { joinDelayMs, signal } = parts;
  const pause = (ms: number): Promise<unknown> => sleep(ms, undefined, { signal }).catch(() => {});
  if (joinDelayMs > 0) await pause(joinDelayMs);
  const deadline = performance.now() + settleMsMax;
  while (!signal.aborted && !parts.isSettled() && performance.now() < deadline) await pause(lookMs);
}
