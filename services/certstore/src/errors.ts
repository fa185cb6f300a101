/** What can go wrong here, and the HTTP status that fits each; docs/ERRORS.md has cause and remedy. */
import { ServiceError, type ServiceErrorBody } from '@postern/contracts';

const status = {
  CERTSTORE_KEY_INVALID: 500,
  CERTSTORE_KEY_WRONG: 500,
  CERTSTORE_SECRET_DAMAGED: 500,
  CERTSTORE_REQUEST_INVALID: 400,
  CERTSTORE_NAME_REFUSED: 403,
} as const;

/** A code of this room. */
export type CertstoreCode = keyof typeof status;

/** Makes the error for a code. The message is for the operator, and never has a secret in it. */
export function certstoreError(
  code: CertstoreCode,
  message: string,
  options: { cause?: unknown; errors?: ServiceErrorBody['errors'] } = {},
): ServiceError {
  const body: ServiceErrorBody = { code, message, status: status[code] };
  if (options.errors !== undefined) body.errors = options.errors;
  return new ServiceError(body, options.cause === undefined ? undefined : { cause: options.cause });
}
