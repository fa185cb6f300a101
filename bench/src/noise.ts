// How much of the machine others used meanwhile: what /proc/stat says was used, less what the bench and all
// that came from it used. The kernel counts the machine in ticks and processes by time, so -0.05 is nothing.

import { cpuSeconds, machineCpuSeconds } from './proc.ts';

/** Others may use this many cores before a measurement is marked as noisy. */
export const noisyCores = 0.2;

/** Over a shorter time ticks tell nothing. */
const secondsMin = 0.2;

/** Does the work and tells the cores that others used meanwhile, whether it succeeds or throws. */
export async function withNoise<T>(
  work: () => Promise<T>,
  report: (othersCores: number) => void,
): Promise<T> {
  const before = await sample();
  try {
    return await work();
  } finally {
    const after = await sample();
    const others = after.machine - before.machine - (after.own - before.own);
    const seconds = (after.at - before.at) / 1e3;
    report(seconds < secondsMin ? 0 : others / seconds);
  }
}

async function sample(): Promise<{ at: number; machine: number; own: number }> {
  return { at: performance.now(), machine: await machineCpuSeconds(), own: await cpuSeconds([process.pid]) };
}
