/** How a Postern program ends, as scripts and service managers read it (sysexits.h where it has a number). */
export const ExitCode = {
  /** Asked to stop, or done. */
  ok: 0,
  /** A bad command line. */
  usage: 64,
  /** A service it needs is out of reach for good. */
  unavailable: 69,
  /** An internal error. */
  internal: 70,
  /** Refused: token, permission. */
  refused: 77,
  /** A bad setting. */
  configuration: 78,
} as const;

/** One of the numbers of `ExitCode`. */
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** Thrown by a part that cannot start, where the program must end with another code than 70. */
export class ExitError extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ExitError';
    this.exitCode = exitCode;
  }
}
