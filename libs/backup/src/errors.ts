/** What can go wrong here, and the HTTP status that fits each; docs/ERRORS.md has cause and remedy. */
import { type BackupRoom, ServiceError } from '@postern/contracts';

const status = {
  BACKUP_DAMAGED: 400,
  BACKUP_NEWER: 400,
  BACKUP_KEY_MISSING: 409,
  BACKUP_PLATFORM_FILLED: 409,
  BACKUP_PORTS_OTHER: 409,
  BACKUP_RESTORE_UNKNOWN: 404,
  BACKUP_SNAPSHOT_GONE: 404,
  BACKUP_TOO_LARGE: 409,
} as const;

/** A code of this room. */
export type BackupCode = keyof typeof status;

/** Makes the error for a code; the message is for the operator. */
export function backupError(code: BackupCode, message: string, cause?: unknown): ServiceError {
  const body = { code, message, status: status[code] };
  return new ServiceError(body, cause === undefined ? undefined : { cause });
}

/** Of a part that is not what was backed up, and why. */
export function damaged(room: BackupRoom, why: string, cause?: unknown): ServiceError {
  return backupError('BACKUP_DAMAGED', `the part of ${room} is damaged: ${why}`, cause);
}
