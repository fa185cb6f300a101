/** The ways in which the bus fails; each has its row in docs/ERRORS.md. */
export type BusErrorCode =
  | 'BUS_ABORTED'
  | 'BUS_BODY_INVALID'
  | 'BUS_CLOSED'
  | 'BUS_DENIED'
  | 'BUS_DISCONNECTED'
  | 'BUS_HANDLER_FAILED'
  | 'BUS_MESSAGE_TOO_LARGE'
  | 'BUS_NO_RESPONDER'
  | 'BUS_OVERLOADED'
  | 'BUS_SETTINGS_INVALID'
  | 'BUS_SUBJECT_INVALID'
  | 'BUS_TIMEOUT'
  | 'BUS_UNREACHABLE';

/** An operating error of the bus; `message` names the subject or the rule that was broken. */
export class BusError extends Error {
  readonly code: BusErrorCode;

  constructor(code: BusErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'BusError';
    this.code = code;
  }
}
