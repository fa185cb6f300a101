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
