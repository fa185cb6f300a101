/** The order in which steps run: as listed, two at a time where both may have company. */
import type { Step } from './step.ts';

const sideBySide = 2;

/** Runs all of them; starts no more once `isOver` says so. Resolves when none runs. */
export async function inTurns<S extends Pick<Step, 'alone'>>(
  steps: readonly S[],
  isOver: () => boolean,
  run: (step: S) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  for (const step of steps) {
    while (running.size >= (step.alone ? 1 : sideBySide)) await Promise.race(running);
    if (isOver()) break;
    const work = run(step).finally(() => running.delete(work));
    running.add(work);
    if (step.alone) await work;
  }
  await Promise.all(running);
}
