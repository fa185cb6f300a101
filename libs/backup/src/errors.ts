/** What can go wrong here, and the HTTP status that fits each; docs/ERRORS.md has cause and remedy. */
import { type BackupRoom, type ServiceError, errorMaker } from '@postern/contracts';

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

/** Makes the error for a code. */
export const backupError = errorMaker(status);

/** Of a part that is not what was backed up, and why. */
export function damaged(room: BackupRoom, why: string, cause?: unknown): ServiceError {
  return backupError('BACKUP_DAMAGED', `the part of ${room} is damaged: ${why}`, { cause });
}
