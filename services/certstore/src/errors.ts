/** What can go wrong here, and the HTTP status that fits each; docs/ERRORS.md has cause and remedy. */
import { ServiceError, type ServiceErrorBody } from '@postern/contracts';

const status = {
  CERTSTORE_KEY_INVALID: 500,
  CERTSTORE_KEY_WRONG: 500,
  CERTSTORE_SECRET_DAMAGED: 500,
  CERTSTORE_REQUEST_INVALID: 400,
  CERTSTORE_NAME_REFUSED: 403,
  CERTSTORE_INVALID: 400,
  CERTSTORE_FILE_EMPTY: 400,
  CERTSTORE_FILE_UNKNOWN: 400,
  CERTSTORE_PEM_INVALID: 400,
  CERTSTORE_BLOCK_REFUSED: 400,
  CERTSTORE_CERTIFICATE_INVALID: 400,
  CERTSTORE_CERTIFICATE_MISSING: 400,
  CERTSTORE_P12_INVALID: 400,
  CERTSTORE_PASSPHRASE_MISSING: 400,
  CERTSTORE_PASSPHRASE_WRONG: 400,
  CERTSTORE_KEY_UNREADABLE: 400,
  CERTSTORE_KEYS_SEVERAL: 400,
  CERTSTORE_KEY_MISMATCH: 400,
  CERTSTORE_KEY_WEAK: 400,
  CERTSTORE_KEY_MISSING: 400,
  CERTSTORE_SIGNATURE_WEAK: 400,
  CERTSTORE_LEAVES_SEVERAL: 400,
  CERTSTORE_CHAIN_BROKEN: 400,
  CERTSTORE_EXPIRED: 400,
  CERTSTORE_NOT_YET_VALID: 400,
  CERTSTORE_USAGE_WRONG: 400,
  CERTSTORE_HOST_NOT_COVERED: 400,
  CERTSTORE_NO_CA: 400,
  CERTSTORE_TOO_LARGE: 400,
  CERTSTORE_INTAKE_INVALID: 400,
  CERTSTORE_CERTIFICATE_DENIED: 403,
  CERTSTORE_CERTIFICATE_NOT_FOUND: 404,
  CERTSTORE_IN_USE: 409,
  CERTSTORE_LIMIT: 409,
  CERTSTORE_REVISION_STALE: 412,
  CERTSTORE_RESTORED: 503,
  CERTSTORE_USAGE_UNKNOWN: 503,
  CERTSTORE_TRANSIT_REFUSED: 503,
  CERTSTORE_PROOF_WRONG: 403,
  CERTSTORE_NOT_NEEDED: 403,
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
