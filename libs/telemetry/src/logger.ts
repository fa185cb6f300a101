/**
 * The log: JSON lines on stderr, readable text where stderr is a terminal. Written synchronously, so that the last line
 * before an exit is never lost; so nothing per packet belongs above `trace`. Errors go under the key `error`.
 */
import process from 'node:process';
import { type DestinationStream, type Logger, pino, stdSerializers, stdTimeFunctions } from 'pino';
import pretty from 'pino-pretty';

export type { Logger } from 'pino';

const keptCharactersMax = 1024 * 1024;

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
    options.destination ?? stderrDestination(),
  );
}

/** A logger that marks its lines with the part of the program that wrote them. */
export function subsystemLogger(logger: Logger, subsystem: string): Logger {
  return logger.child({ subsystem });
}

/** A logger that writes nothing; for tests and for parts that are given none. */
export const silentLogger: Logger = pino({ level: 'silent' });

/**
 * Lines to an open file. A disk that is full ends no program: what cannot be written is kept up to a bound, goes out with
 * the first line that can, and is left out past that.
 */
export function fileDestination(descriptor: number): DestinationStream {
  const destination = pino.destination({ dest: descriptor, sync: true, maxLength: keptCharactersMax });
  // Nobody is left to be told: this is where it would be told.
  destination.on('error', () => undefined);
  // Without its flushSync, which `fatal` calls: it tries for ever where the disk is full, and each line is out already.
  return { write: (line) => void destination.write(line) };
}

function stderrDestination(): DestinationStream {
  if (!process.stderr.isTTY) return fileDestination(process.stderr.fd);
  return pretty({
    destination: 2,
    sync: true,
    errorLikeObjectKeys: ['error'],
    ignore: 'pid,name',
    translateTime: 'SYS:HH:MM:ss.l',
  });
}
