/** What keeps standalone from starting; all of it is a matter of settings, so the program ends with 78. */
import { ExitCode } from '@postern/config';
import { ExitError } from '@postern/telemetry';

/** Codes of docs/ERRORS.md. */
export type StandaloneCode =
  | 'STANDALONE_STATE_UNUSABLE'
  | 'STANDALONE_STATE_IN_USE'
  | 'STANDALONE_STATE_INCOMPLETE'
  | 'STANDALONE_PORT_TAKEN';

/** Ends the program with the code in its message. */
export function standaloneError(code: StandaloneCode, text: string, cause?: unknown): ExitError {
  return new ExitError(ExitCode.configuration, `${code}: ${text}`, cause === undefined ? {} : { cause });
}

/** The error of a service that could not start, told as a matter of settings where it is one. */
export function startError(error: unknown): unknown {
  if (!(error instanceof Error && 'code' in error)) return error;
  const { code, address, hostname, port } = error as NodeJS.ErrnoException & {
    address?: string;
    hostname?: string;
    port?: number;
  };
  const where = `port ${port} of ${address}`;
  switch (code) {
    case 'EADDRINUSE':
      return standaloneError(
        'STANDALONE_PORT_TAKEN',
        `${where} is taken, by another program or by another port of this one; give another one (0 takes a free one)`,
        error,
      );
    case 'EADDRNOTAVAIL':
      return standaloneError('STANDALONE_PORT_TAKEN', `${address} is no address of this machine`, error);
    case 'ENOTFOUND':
      return standaloneError(
        'STANDALONE_PORT_TAKEN',
        `${hostname} is no address of this machine, nor a name of one`,
        error,
      );
    case 'EACCES':
      return standaloneError(
        'STANDALONE_PORT_TAKEN',
        `${where} is not for this user; take one above 1023`,
        error,
      );
    default:
      return error;
  }
}
