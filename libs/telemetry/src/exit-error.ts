/** How a part that cannot start says with which code its program is to end. */
import type { ExitCode } from '@postern/config';

/** Thrown by a part that cannot start, where the program must end with another code than 70. */
export class ExitError extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ExitError';
    this.exitCode = exitCode;
  }
}
