/**
 * Errors as `application/problem+json` (RFC 9457) with the code of docs/ERRORS.md and the request's tracking ID.
 * Whatever was not thrown as a ServiceError is an internal one: its cause is for the log, never for the caller.
 */
import { STATUS_CODES } from 'node:http';
import { ServiceError } from '@postern/contracts';
import { Type, type Static } from 'typebox';
import { adminError } from '../errors.ts';
import { bodyBytesMax, notJson } from './json-body.ts';

/** What every error looks like. */
export const Problem = Type.Object(
  {
    type: Type.String({ description: 'urn:postern:problem: and the code' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'which rule was broken, and what to do' }),
    code: Type.String({ description: 'a code of the list of errors' }),
    trackingId: Type.String({ description: 'finds this request in the logs' }),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          path: Type.String({ description: 'JSON pointer into the body, or the name of a query parameter' }),
          message: Type.String(),
        }),
      ),
    ),
  },
  { title: 'Problem' },
);
export type Problem = Static<typeof Problem>;

/** The media type of a problem. */
export const problemMediaType = 'application/problem+json; charset=utf-8';

/** The problem that a caller gets for an error. */
export function problemOf(error: ServiceError, trackingId: string): Problem {
  const { code, message, status, errors } = error.body;
  return {
    type: `urn:postern:problem:${code}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail: message,
    code,
    trackingId,
    ...(errors === undefined ? {} : { errors }),
  };
}

/** A ServiceError for whatever was thrown: ours as they are, the HTTP server's by their code, the rest internal. */
export function serviceErrorOf(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return adminError('ADMIN_BODY_TOO_LARGE', `a body has at most ${bodyBytesMax} bytes`, { cause: error });
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return adminError(
        'ADMIN_MEDIA_TYPE',
        'send application/json, or application/merge-patch+json with PATCH',
        { cause: error },
      );
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return notJson('is no JSON text, or is not as long as it says', error);
    case 'FST_ERR_HANDLER_TIMEOUT':
      return adminError('ADMIN_ANSWER_LATE', 'the answer took too long; whether it was done is not known', {
        cause: error,
      });
    default:
      return fromStatus(error);
  }
}

/** Bad requests that the HTTP server found by itself, such as a path that cannot be decoded. */
function fromStatus(error: unknown): ServiceError {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return adminError(
      'ADMIN_REQUEST_MALFORMED',
      'the request is not well-formed HTTP or has a malformed path',
      {
        cause: error,
      },
    );
  }
  return ServiceError.from(error);
}
