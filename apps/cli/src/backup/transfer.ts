/**
 * Backup and restore over the admin API, step by step. A restore that is broken off before its last step has changed
 * nothing; one that was broken off in it is ended by doing the same again, which no owner refuses for the same file.
 */
import {
  type BackupPart,
  BackupPiece,
  CheckedRestore,
  HeldBackupPart,
  backupPieceBytes,
} from '@postern/contracts';
import { setTimeout as wait } from 'node:timers/promises';
import { Type } from 'typebox';
import { type Api, shaped } from '../api.ts';
import { plainText } from '../plain-text.ts';
import { ApiError, CliError } from '../errors.ts';
import { type BackupFile, type Header, demandFree, writeBackup } from './file.ts';
import { Progress } from './progress.ts';

const triesMax = 10;

const Begun = Type.Object({
  version: Type.String(),
  madeAt: Type.String(),
  parts: Type.Array(HeldBackupPart),
});
const BegunRestore = Type.Object({ id: Type.String() });

/** What was backed up. */
export interface BackupReport {
  readonly file: string;
  readonly bytes: number;
  readonly documents: number;
  readonly madeAt: string;
  /** The key-encryption keys that a restore needs. */
  readonly keyIds: readonly string[];
}

/** Takes a backup of the platform into a file. */
export async function takeBackup(api: Api, path: string, force: boolean): Promise<BackupReport> {
  if (!force) demandFree(path);
  const progress = new Progress();
  const { version, madeAt, parts } = shaped(Begun, await api.call('POST', '/backups'));
  const header: Header = {
    madeAt,
    platformVersion: version,
    parts: parts.map(({ handle: _handle, ...part }) => part),
  };
  const bytes = await writeBackup(path, header, piecesOf(api, parts, progress), force);
  return { file: path, bytes, madeAt, ...countOf(header) };
}

/** Puts a backup in place of what the platform has; gives what is to be known of that. */
export async function restoreBackup(
  api: Api,
  file: Pick<BackupFile, 'header' | 'read'>,
  { overwrite, pauseMs = 1_000 }: { overwrite: boolean; pauseMs?: number },
): Promise<string[]> {
  const { parts } = file.header;
  const { id } = shaped(BegunRestore, await api.call('POST', '/restores', { parts, overwrite }));
  const progress = new Progress();
  const warnings: string[] = [];
  try {
    for (const part of parts) await givePart(api, id, file, part, progress);
    for (const { room } of parts) {
      const checked = await api.call('POST', `/restores/${id}/check`, { room });
      // A platform of the version before says nothing.
      if (checked != null) warnings.push(...(shaped(CheckedRestore, checked).warnings ?? []));
    }
    progress.done('the backup is whole, and the platform can use it');
    // Before anything is changed, so that they are told also where the next step is broken off.
    for (const warning of warnings) progress.done(plainText(warning));
  } catch (error) {
    await api.call('DELETE', `/restores/${id}`).catch(() => undefined);
    throw error;
  }
  await commit(api, id, parts, { progress, pauseMs });
  return warnings;
}

/** Documents and keys of a backup. */
export function countOf({ parts }: Header): { documents: number; keyIds: string[] } {
  const documents = parts.reduce((sum, part) => sum + part.documents, 0);
  return { documents, keyIds: [...new Set(parts.flatMap(({ keyIds }) => keyIds))] };
}

async function* piecesOf(
  api: Api,
  parts: readonly HeldBackupPart[],
  progress: Progress,
): AsyncGenerator<Buffer> {
  for (const { room, handle, bytes, documents } of parts) {
    for (let offset: number | null = 0; offset !== null;) {
      const path: string = `/backups/${room}/${handle}?offset=${offset}`;
      const piece = shaped(BackupPiece, await api.call('GET', path));
      yield Buffer.from(piece.data, 'base64');
      offset = piece.nextOffset;
      progress.show(`reading ${room}`, offset ?? bytes, bytes);
    }
    progress.done(`${room}: ${documents} documents`);
  }
}

async function givePart(
  api: Api,
  id: string,
  file: Pick<BackupFile, 'read'>,
  { room, bytes, documents }: BackupPart,
  progress: Progress,
): Promise<void> {
  for (let offset = 0, index = 0; offset < bytes; offset += backupPieceBytes, index += 1) {
    const piece = await file.read(room, offset, Math.min(backupPieceBytes, bytes - offset));
    await api.call('POST', `/restores/${id}/pieces`, { room, index, data: piece.toString('base64') });
    progress.show(`giving ${room}`, offset + piece.length, bytes);
  }
  progress.done(`${room}: ${documents} documents given`);
}

/** From here on it must come to its end: an owner that does not answer is asked again, and does it once. */
async function commit(
  api: Api,
  id: string,
  parts: readonly BackupPart[],
  { progress, pauseMs }: { progress: Progress; pauseMs: number },
): Promise<void> {
  const done: string[] = [];
  for (const { room } of parts) {
    try {
      await persistently(() => api.call('POST', `/restores/${id}/commit`, { room }), pauseMs);
    } catch (error) {
      if (done.length === 0) throw error;
      const words = error instanceof Error ? error.message : String(error);
      throw new CliError(
        'CLI_RESTORE_UNFINISHED',
        `${done.join(' and ')} has the backup's documents now, and ${room} does not: ${words}. Run the same command again`,
        { cause: error },
      );
    }
    done.push(room);
    progress.done(`${room}: restored`);
  }
}

async function persistently(work: () => Promise<unknown>, pauseMs: number): Promise<void> {
  for (let tried = 1; ; tried += 1) {
    try {
      await work();
      return;
    } catch (error) {
      if (tried === triesMax || !isPassing(error)) throw error;
      await wait(pauseMs);
    }
  }
}

function isPassing(error: unknown): boolean {
  if (error instanceof ApiError) return error.problem.status === 503;
  return error instanceof CliError && error.code === 'CLI_UNREACHABLE';
}
