/**
 * The log: JSON lines on stderr, readable text where stderr is a terminal. Written synchronously, so that the last line
 * before an exit is not lost; so nothing per packet belongs above `trace`. Errors go under the key `error`.
 */
import { closeSync, openSync } from 'node:fs';
import process from 'node:process';
import { type DestinationStream, type Logger, pino, stdSerializers, stdTimeFunctions } from 'pino';

export type { Logger } from 'pino';

/** Loaded where somebody reads along: elsewhere it would be a twentieth of a program's start. */
const pretty = process.stderr.isTTY ? (await import('pino-pretty')).default : null;

const keptCharactersMax = 1024 * 1024;
const readerRetryMs = 100;
const exitWaitMs = 1000;
const fileMode = 0o640;
const leftOutText = 'there was no room for lines of this log, and they were left out';

/** The levels of `logLevel`. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** A program's log. */
export interface LoggerOptions {
  /** The program: `postern-edge`. */
  name: string;
  level?: LogLevel;
  /** Which of several processes of one program this is. */
  worker?: number;
  /** Where lines go; stderr unless given. */
  destination?: DestinationStream;
}

/** Makes a program's root logger; parts take `subsystemLogger(logger, 'fronts')`. */
export function createLogger(options: LoggerOptions): Logger {
  return pino(
    {
      base: {
        name: options.name,
        pid: process.pid,
        ...(options.worker === undefined ? {} : { worker: options.worker }),
      },
      level: options.level ?? 'info',
      timestamp: stdTimeFunctions.isoTime,
      errorKey: 'error',
      serializers: { error: stdSerializers.errWithCause },
      formatters: { level: (label) => ({ level: label }) },
    },
    options.destination ?? stderrDestination(options.name),
  );
}

/** A logger that marks its lines with the part of the program that wrote them. */
export function subsystemLogger(logger: Logger, subsystem: string): Logger {
  return logger.child({ subsystem });
}

/** A logger that writes nothing; for tests and for parts that are given none. */
export const silentLogger: Logger = pino({ level: 'silent' });

/** How the log of this process fares, whichever file it goes to. */
export const logCounts = { failing: false, linesLeftOut: 0 };

/** A log in a file that somebody may rename away. */
export interface LogFile extends DestinationStream {
  /** Opens the path anew, and writes there what the former file had no room for; throws what opening throws. */
  reopen(): void;
}

/**
 * Lines of the program `name` to a file, by its path or open. A disk that is full ends no program, and a reader that stands
 * still stops none: what cannot be written is kept up to a bound, and goes out with the first line that can; to a reader
 * also by itself, and for a second at the exit. What comes past the bound is left out, and a line says how many.
 */
export function fileDestination(file: number | string, name: string): LogFile {
  const destination = pino.destination({
    dest: file,
    mode: fileMode,
    sync: true,
    maxLength: keptCharactersMax,
    retryEAGAIN: () => performance.now() < waitsUntilMs,
  });
  let waitsUntilMs = 0;
  let readerRetry: NodeJS.Timeout | undefined;
  let linesLeftOut = 0;
  let hasRoom = true;
  // Nobody is left to be told: this is where it would be told.
  destination.on('error', (error: NodeJS.ErrnoException) => {
    hasRoom = false;
    logCounts.failing = true;
    if (error.code === 'EAGAIN') awaitReader();
  });
  const writeAtExit = (): void => {
    waitsUntilMs = performance.now() + exitWaitMs;
    destination.write('');
  };
  destination.on('write', () => void (logCounts.failing = false));
  destination.on('drop', () => {
    linesLeftOut += 1;
    logCounts.linesLeftOut += 1;
  });

  // A pipe whose reader is slow. To wait for it here would stop the whole program.
  function awaitReader(): void {
    if (!process.listeners('exit').includes(writeAtExit)) process.once('exit', writeAtExit);
    readerRetry ??= setTimeout(() => {
      readerRetry = undefined;
      if (linesLeftOut > 0) tellLeftOut();
      else destination.write('');
    }, readerRetryMs).unref();
  }

  function tellLeftOut(): void {
    hasRoom = true;
    // Only what it takes makes it try again, and a line that is too long for what is kept it does not take.
    destination.write('');
    if (!hasRoom) return;
    const lines = linesLeftOut;
    linesLeftOut = 0;
    createLogger({ name, destination }).warn({ subsystem: 'log', lines }, leftOutText);
  }

  // Without its flushSync, which `fatal` calls: it tries for ever where the disk is full, and each line is out already.
  return {
    write: (line) => {
      if (linesLeftOut > 0) tellLeftOut();
      destination.write(line);
    },
    reopen: () => {
      // Where it fails, the destination's own would go on to close the former file twice.
      if (typeof file === 'string') closeSync(openSync(file, 'a', fileMode));
      destination.reopen();
    },
  };
}

function stderrDestination(name: string): DestinationStream {
  if (pretty === null) return fileDestination(process.stderr.fd, name);
  return pretty({
    destination: 2,
    sync: true,
    errorLikeObjectKeys: ['error'],
    ignore: 'pid,name',
    translateTime: 'SYS:HH:MM:ss.l',
  });
}
