/** What acl refuses, each with its code of docs/ERRORS.md. None of them says anything of a secret. */
import { AccessError } from '@postern/access';
import { ServiceError } from '@postern/contracts';

/** There is no such gateway. A client is told with 403, an operator with 404. */
export function gatewayUnknown(id: string, status: 403 | 404): ServiceError {
  return new ServiceError({ code: 'ACL_GATEWAY_UNKNOWN', message: `there is no gateway ${id}`, status });
}

/** Its operator has switched the gateway off. */
export function gatewayDisabled(id: string): ServiceError {
  return new ServiceError({
    code: 'ACL_GATEWAY_DISABLED',
    message: `the gateway ${id} is disabled`,
    status: 403,
  });
}

/** The gateway asks for a token, and none was shown. */
export function tokenMissing(): ServiceError {
  const message = 'the gateway asks for a security token and none was shown';
  return new ServiceError({ code: 'ACL_TOKEN_MISSING', message, status: 401 });
}

/** The token is none of this gateway's. */
export function tokenWrong(): ServiceError {
  const message = 'the security token is not one of this gateway';
  return new ServiceError({ code: 'ACL_TOKEN_WRONG', message, status: 401 });
}

/** The token's time is over. */
export function tokenExpired(expiresAt: string): ServiceError {
  const message = `the security token expired at ${expiresAt}; ask for a new one`;
  return new ServiceError({ code: 'ACL_TOKEN_EXPIRED', message, status: 401 });
}

/** The token was revoked. */
export function tokenRevoked(revokedAt: string): ServiceError {
  const message = `the security token was revoked at ${revokedAt}; ask for a new one`;
  return new ServiceError({ code: 'ACL_TOKEN_REVOKED', message, status: 401 });
}

/** There is no such token, or it has been revoked. */
export function tokenNotFound(id: string): ServiceError {
  return new ServiceError({
    code: 'ACL_TOKEN_NOT_FOUND',
    message: `the gateway has no token ${id}`,
    status: 404,
  });
}

/** There is no such destination behind that gateway. */
export function destinationUnknown(id: string): ServiceError {
  const message = `the gateway has no destination ${id}`;
  return new ServiceError({ code: 'ACL_DESTINATION_UNKNOWN', message, status: 404 });
}

/** The change expected another revision. */
export function revisionStale(what: string, expected: number, actual: number): ServiceError {
  const message = `${what} has revision ${actual}, not ${expected}: someone else changed it; read it again`;
  return new ServiceError({ code: 'ACL_REVISION_STALE', message, status: 412 });
}

/** Rules that cannot be taken, as libs/access says it; any other error is handed on. */
export function rulesInvalid(error: unknown): unknown {
  if (!(error instanceof AccessError)) return error;
  const errors = error.faults.map(({ at, message }) => ({ path: at, message }));
  return new ServiceError(
    { code: 'ACL_RULES_INVALID', message: error.message, status: 400, errors },
    { cause: error },
  );
}

/** A bound of the platform is reached. */
export function limitReached(what: string, max: number): ServiceError {
  return new ServiceError({ code: 'ACL_LIMIT', message: `there may be at most ${max} ${what}`, status: 409 });
}

/** The API key is not one of this platform's. */
export function apiKeyWrong(): ServiceError {
  return new ServiceError({
    code: 'ACL_API_KEY_WRONG',
    message: 'the API key is not known here',
    status: 401,
  });
}

/** There is no such API key. */
export function apiKeyNotFound(id: string): ServiceError {
  return new ServiceError({
    code: 'ACL_API_KEY_NOT_FOUND',
    message: `there is no API key ${id}`,
    status: 404,
  });
}

/** The first API key is held by a setting, not by the store. */
export function apiKeyBySetting(): ServiceError {
  const message =
    'this key is given by a setting (POSTERN_ACL_FIRST_API_KEY); take it away there and restart';
  return new ServiceError({ code: 'ACL_API_KEY_BY_SETTING', message, status: 409 });
}
