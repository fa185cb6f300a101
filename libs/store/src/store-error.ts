/** The ways in which a store fails; each has its row in docs/ERRORS.md. */
export type StoreErrorCode =
  | 'STORE_CLOCK_OFF'
  | 'STORE_CLOSED'
  | 'STORE_DOCUMENT_INVALID'
  | 'STORE_DOCUMENT_NEWER'
  | 'STORE_DUPLICATE'
  | 'STORE_LOCKED'
  | 'STORE_NOT_FOUND'
  | 'STORE_OVERLOADED'
  | 'STORE_REFUSED'
  | 'STORE_SETTINGS_INVALID'
  | 'STORE_STALE'
  | 'STORE_TIMEOUT'
  | 'STORE_TOO_LARGE'
  | 'STORE_UNREACHABLE';

/** An operating error of the store; `message` names the collection and the rule that was broken. */
export class StoreError extends Error {
  readonly code: StoreErrorCode;
  /** With `STORE_DUPLICATE`: the fields whose values another document has. */
  readonly key: readonly string[] | null;

  constructor(
    code: StoreErrorCode,
    message: string,
    options: ErrorOptions & { key?: readonly string[] } = {},
  ) {
    super(message, options);
    this.name = 'StoreError';
    this.code = code;
    this.key = options.key ?? null;
  }
}
