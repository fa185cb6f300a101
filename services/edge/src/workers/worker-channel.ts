/**
 * A worker's side of the channel to its supervisor: says whether it is ready, at once when that changes and else each
 * second, by which the supervisor knows that it is not frozen; and drains when the supervisor is gone.
 */
import process from 'node:process';
import { ExitCode } from '@postern/config';
import { type Ending, type Readiness } from '@postern/telemetry';

const lookEveryMs = 100;
const wordEveryMs = 1_000;

/** Begins to tell; does nothing where no supervisor started this process. */
export function tellSupervisor(ending: Ending, ready: () => Readiness): void {
  if (!process.connected) return;
  let told = '';
  let toldAt = 0;
  // A supervisor that does not read is told one word, not one for each second that it did not.
  let telling = false;
  const timer = setInterval(() => {
    const word = ready();
    const text = JSON.stringify(word);
    const isDue = text !== told || performance.now() - toldAt >= wordEveryMs;
    if (!isDue || telling || !process.connected) return;
    told = text;
    toldAt = performance.now();
    telling = true;
    process.send?.(word, undefined, undefined, () => (telling = false));
  }, lookEveryMs);
  timer.unref();
  process.on('disconnect', () => {
    clearInterval(timer);
    // It ends its workers and waits for them; gone in the middle of that, it was told to end at once.
    if (ending.signal.aborted) process.exit(ExitCode.ok);
    ending.end(ExitCode.ok, 'the supervisor is gone');
  });
  // The channel alone must not keep the process.
  process.channel?.unref();
}
