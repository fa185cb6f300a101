/**
 * An owner's side of backup and restore (docs/ARCHITECTURE.md, "Backup and restore"): what it owns becomes a part of one
 * file, and a part of one file what it owns. Who asks is admin, on behalf of the command line.
 */
export { backupError } from './errors.ts';
export { serveBackup } from './serve.ts';
export type { BackupSource } from './source.ts';
