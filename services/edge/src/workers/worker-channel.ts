/** A worker's side of the channel to its supervisor: says whether it is ready, and drains when the supervisor is gone. */
import process from 'node:process';
import { ExitCode } from '@postern/config';
import { type Ending, type Readiness } from '@postern/telemetry';

const lookEveryMs = 100;

/** Begins to tell; does nothing where no supervisor started this process. */
export function tellSupervisor(ending: Ending, ready: () => Readiness): void {
  if (!process.connected) return;
  let told = '';
  const timer = setInterval(() => {
    const word = ready();
    const text = JSON.stringify(word);
    if (text === told || !process.connected) return;
    told = text;
    process.send?.(word);
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
