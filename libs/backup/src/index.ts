/**
 * An owner's side of backup and restore (docs/ARCHITECTURE.md, "Backup and restore"): what it owns becomes a part of one
 * file, and a part of one file what it owns. Who asks is admin, on behalf of the command line.
 */
export { type BackupCode, backupError } from './errors.ts';
export { type ServeBackupParts, serveBackup } from './serve.ts';
export type { BackedUpCollection, BackupSource } from './source.ts';
