/**
 * The first moments of a program, while its code is loaded: a second and more on a busy machine, in which SIGTERM would end
 * it by the signal, without a word, and would be lost on the first process of a container. Node loads without a turn of
 * the event loop in between, so a signal is mostly heard when that is done: then `runProgram` listens already, and ends the
 * program before it has begun. What comes before Node has read main.ts, in the first tenth of a second, nothing here can
 * hear: the signal ends the process, which a shell tells as 143 or 130, and nothing has been begun. Apart from index.ts, since what that loads is a good part of what the wait is for.
 *
 *   main.ts ──► start ──► run.ts and all that it imports ──► runProgram, which listens for the signals from then on
 */
import process from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { ExitCode } from './exit-code.ts';
import { lightenHttp } from './light-http.ts';

/**
 * V8 learns of a literal that what it makes lives long, and makes it in old memory from then on. With sockets it learns wrong:
 * each of Node's has a closure which V8, until it has optimized the constructor, makes in old memory, and which keeps the
 * socket after its end. So all literals of the first seconds seem to live long, and for as long as the program runs the
 * listeners of each socket, made in old memory, keep all that hangs on it (docs/ARCHITECTURE.md, "Who has ended").
 */
const flags = '--no-allocation-site-pretenuring';

/** Loads the program `name`. Until somebody else listens for SIGTERM and SIGINT, they end it with 0. */
export async function start(name: string, load: () => Promise<unknown>): Promise<void> {
  setFlagsFromString(flags);
  lightenHttp();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (process.listenerCount(signal) > 1) return;
      const msg = 'stopped before its code was loaded';
      const line = { level: 'info', time: new Date().toISOString(), name, subsystem: 'life', signal, msg };
      process.stderr.write(process.stderr.isTTY ? `${name}: ${msg}\n` : `${JSON.stringify(line)}\n`);
      process.exit(ExitCode.ok);
    });
  }
  await load();
}
