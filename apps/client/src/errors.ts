/** What can go wrong on the way to the platform; docs/ERRORS.md has a row for each code. */
export type ClientCode =
  | 'CLIENT_ACL_FILE_INVALID'
  | 'CLIENT_ANSWER_MALFORMED'
  | 'CLIENT_CALL_FAILED'
  | 'CLIENT_CERTIFICATE_MISSING'
  | 'CLIENT_CONNECTION_FAILED'
  | 'CLIENT_MATERIAL_BROKEN'
  | 'CLIENT_NOT_A_PLATFORM'
  | 'CLIENT_PROXY_CREDENTIALS'
  | 'CLIENT_PROXY_FAILED'
  | 'CLIENT_PROXY_REFUSED'
  | 'CLIENT_SAME_NODE'
  | 'CLIENT_TIMED_OUT'
  | 'CLIENT_TOKEN_FILE'
  | 'CLIENT_TOKEN_MALFORMED'
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

const refusalStatuses: ReadonlySet<number | null> = new Set([401, 403]);

/** Whether it means that this gateway and token will not do, until somebody changes them. */
export function isRefusal({ code, platformCode, status }: ClientError): boolean {
  return code === 'CLIENT_TOKEN_MALFORMED' || (platformCode !== null && refusalStatuses.has(status));
}
