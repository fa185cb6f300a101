/**
 * The order in which steps run: as listed, two at a time that work and one beside them that mostly waits. One that is to be
 * alone comes after all that are listed before it, and before all others.
 */
import type { Step } from './step.ts';

const workingAtOnce = 2;
const waitingAtOnce = 1;

/** Runs all of them; starts no more once `isOver` says so. Resolves when none runs. */
export async function inTurns<S extends Pick<Step, 'alone' | 'waits'>>(
  steps: readonly S[],
  isOver: () => boolean,
  run: (step: S) => Promise<void>,
): Promise<void> {
  const left = [...steps];
  const running = new Map<S, Promise<void>>();
  for (;;) {
    const next = isOver() ? undefined : nextStep(left, [...running.keys()]);
    if (next !== undefined) {
      left.splice(left.indexOf(next), 1);
      running.set(
        next,
        run(next).finally(() => running.delete(next)),
      );
    } else if (running.size > 0) await Promise.race(running.values());
    else return;
  }
}

/** The first that may start beside those that run. */
function nextStep<S extends Pick<Step, 'alone' | 'waits'>>(
  left: readonly S[],
  running: readonly S[],
): S | undefined {
  if (running.some(({ alone }) => alone)) return undefined;
  if (left[0]?.alone === true) return running.length === 0 ? left[0] : undefined;
  const end = left.findIndex(({ alone }) => alone);
  return left.slice(0, end === -1 ? left.length : end).find(({ waits }) => {
    const beside = running.filter((one) => one.waits === waits).length;
    return beside < (waits ? waitingAtOnce : workingAtOnce);
  });
}
