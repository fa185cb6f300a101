/** What can go wrong on the way to the platform; docs/ERRORS.md has a row for each code. */
export type ClientCode =
  | 'CLIENT_ACL_FILE_INVALID'
  | 'CLIENT_ANSWER_MALFORMED'
  | 'CLIENT_CALL_FAILED'
  | 'CLIENT_CONNECTION_FAILED'
  | 'CLIENT_NOT_A_PLATFORM'
  | 'CLIENT_PROXY_CREDENTIALS'
  | 'CLIENT_PROXY_FAILED'
  | 'CLIENT_PROXY_REFUSED'
  | 'CLIENT_SAME_NODE'
  | 'CLIENT_TIMED_OUT'
  | 'CLIENT_TOKEN_FILE'
  | 'CLIENT_WEBSOCKET_REFUSED';

/** An operating error of the client. `platformCode` is the platform's own code where it answered with one. */
export class ClientError extends Error {
  readonly code: ClientCode;
  readonly platformCode: string | null;
  /** The HTTP status where there was an answer. */
  readonly status: number | null;
  /** What Retry-After asked for. */
  readonly retryAfterMs: number;

  constructor(
    code: ClientCode,
    message: string,
    options: ErrorOptions & { platformCode?: string; status?: number; retryAfterMs?: number } = {},
  ) {
    super(message, options);
    this.name = 'ClientError';
    this.code = code;
    this.platformCode = options.platformCode ?? null;
    this.status = options.status ?? null;
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }
}

/** An error's own words; those of its parts where it has several (a host with more than one address). */
export function errorText(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(errorText).join('; ');
  if (!(error instanceof Error)) return String(error);
  return error.message === '' && 'code' in error ? String(error.code) : error.message;
}

/** The system's code of an error, `ECONNREFUSED` and the like; that of its first part where it has several. */
export function systemCode(error: unknown): string | null {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return error instanceof AggregateError && error.errors.length > 0 ? systemCode(error.errors[0]) : null;
}
