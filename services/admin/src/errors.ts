/** What the admin API itself refuses, and the HTTP status of each; docs/ERRORS.md has cause and remedy. */
import { ServiceError, errorMaker } from '@postern/contracts';

const status = {
  ADMIN_BODY_INVALID: 400,
  ADMIN_BODY_NOT_JSON: 400,
  ADMIN_BODY_TOO_LARGE: 413,
  ADMIN_MEDIA_TYPE: 415,
  ADMIN_QUERY_INVALID: 400,
  ADMIN_HEADER_INVALID: 400,
  ADMIN_REQUEST_MALFORMED: 400,
  ADMIN_REQUEST_SLOW: 408,
  ADMIN_HEADERS_TOO_LARGE: 431,
  ADMIN_ANSWER_LATE: 503,
  ADMIN_PATH_UNKNOWN: 404,
  ADMIN_METHOD_UNKNOWN: 405,
  ADMIN_KEY_MISSING: 401,
  ADMIN_KEY_RATE: 429,
  ADMIN_KEY_WRONG: 401,
  ADMIN_ROLE_DENIED: 403,
  ADMIN_GATEWAY_DENIED: 403,
  ADMIN_CLIENT_UNKNOWN: 404,
  ADMIN_NODE_UNKNOWN: 404,
  ADMIN_API_KEY_UNKNOWN: 404,
  ADMIN_REVISION_STALE: 412,
  ADMIN_IDEMPOTENCY_RUNNING: 409,
  ADMIN_IDEMPOTENCY_OTHER: 422,
  ADMIN_IDEMPOTENCY_UNKNOWN: 409,
  ADMIN_IDEMPOTENCY_FULL: 503,
} as const;

/** Makes the error for a code. */
export const adminError = errorMaker(status);

/** Whether what was asked for was certainly not done: it was refused, or nobody took it. */
export function isWithoutEffect(error: unknown): boolean {
  const { body } = ServiceError.from(error);
  return body.status < 500 || body.code === 'BUS_NO_RESPONDER';
}
