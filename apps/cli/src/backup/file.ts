/**
 * A backup as one file. Its first line has a version of its own and the digest of all that follows, so that a file that
 * was cut or changed is known before anything of it is used:
 *
 *     postern-backup 1 sha256:<64 digits>
 *     {"madeAt":…,"platformVersion":…,"parts":[{"room":…,"bytes":…,"sha256":…,"documents":…,"keyIds":[…]},…]}
 *     the parts, one behind the other, each as long as it says
 *
 * It is written beside its place and renamed, so a file that is there is whole. Only its user may read it: private keys in
 * it are encrypted and tokens are hashes, but it tells how a network looks inside.
 */
import { createHash, randomUUID } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { type FileHandle, copyFile, link, open, rename } from 'node:fs/promises';
import { BackupPart, backupRooms } from '@postern/contracts';
import { Type, type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { CliError } from '../errors.ts';
import { withTemporary } from './temporary.ts';

const version = 1;
const placeholder = '0'.repeat(64);
const firstLine = /^postern-backup (\d{1,6}) sha256:([0-9a-f]{64})$/;
const lineBytesMax = 64 * 1024;

const Header = Type.Object({
  madeAt: Type.String({ maxLength: 40 }),
  platformVersion: Type.String({ maxLength: 64 }),
  parts: Type.Array(BackupPart, { minItems: backupRooms.length, maxItems: backupRooms.length }),
});
/** What a file says of itself. */
export type Header = Static<typeof Header>;
const header = Compile(Header);

/** A file that is whole. */
export interface BackupFile {
  readonly header: Header;
  /** Bytes of a part. */
  read(room: BackupPart['room'], offset: number, length: number): Promise<Buffer>;
  close(): Promise<void>;
}

/** Throws `CLI_BACKUP_UNUSABLE` where there is a file already. */
export function demandFree(path: string): void {
  if (existsSync(path)) throw isThere(path);
}

/** Writes one; `pieces` are the parts' bytes in the order of the header. Unless `force`, an existing file stays. */
export async function writeBackup(
  path: string,
  head: Header,
  pieces: AsyncIterable<Buffer>,
  force: boolean,
): Promise<number> {
  // Of its own: two that run at once must not write into each other's.
  const beside = `${path}.${randomUUID()}.part`;
  return withTemporary(beside, async () => {
    const file = await usable(path, () => open(beside, 'wx', 0o600));
    try {
      const size = await writeAll(path, file, head, pieces);
      await usable(path, () => putInPlace(beside, path, force));
      return size;
    } finally {
      await file.close().catch(() => {});
    }
  });
}

async function writeAll(
  path: string,
  file: FileHandle,
  head: Header,
  pieces: AsyncIterable<Buffer>,
): Promise<number> {
  await usable(path, () => file.chmod(0o600));
  const digest = createHash('sha256');
  let size = 0;
  const append = async (bytes: Buffer, counts: boolean): Promise<void> => {
    await usable(path, () => file.writeFile(bytes));
    size += bytes.length;
    if (counts) digest.update(bytes);
  };
  await append(Buffer.from(`postern-backup ${version} sha256:${placeholder}\n`), false);
  await append(Buffer.from(`${JSON.stringify(head)}\n`), true);
  for await (const piece of pieces) await append(piece, true);
  const line = Buffer.from(`postern-backup ${version} sha256:${digest.digest('hex')}\n`);
  await usable(path, async () => {
    await file.write(line, 0, line.length, 0);
    await file.sync();
    await file.close();
  });
  return size;
}

/** Opens one and looks whether it is whole. Throws `CLI_BACKUP_UNUSABLE`, `…_DAMAGED`, `…_NEWER`. */
export async function openBackup(path: string): Promise<BackupFile> {
  const file = await usable(path, () => open(path, 'r'));
  try {
    const { size } = await file.stat();
    const first = await readLine(path, file, 0);
    const [, madeVersion, digest] = firstLine.exec(first) ?? [];
    if (madeVersion === undefined) throw damaged(path, faultOfBegin(first));
    if (Number(madeVersion) !== version) throw newer(path, Number(madeVersion));
    const begin = first.length + 1;
    if ((await digestFrom(file, begin)) !== digest)
      throw damaged(path, 'its digest is another than it says: it was cut short or changed');
    const second = await readLine(path, file, begin);
    const head = readHeader(path, second);
    const starts = new Map<string, number>();
    let end = begin + Buffer.byteLength(second) + 1;
    for (const { room, bytes } of head.parts) {
      starts.set(room, end);
      end += bytes;
    }
    if (starts.size !== backupRooms.length || end !== size)
      throw damaged(path, 'its parts are not as long as it says');
    return {
      header: head,
      read: (room, offset, length) => readExactly(file, (starts.get(room) ?? 0) + offset, length),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** What is compressed behind its head has line ends of its own, so what was done to them cannot be undone. */
function faultOfBegin(line: string): string {
  return line.startsWith('postern-backup ') && line.endsWith('\r')
    ? 'its lines end as on Windows: an editor, or a transfer as text, changed it; copy it again as the bytes that it is'
    : 'it does not begin as a backup of Postern does';
}

/** A link fails where there is a file, and nothing can come between; not every file system has links. */
async function putInPlace(beside: string, path: string, force: boolean): Promise<void> {
  if (force) return rename(beside, path);
  try {
    await link(beside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw error;
    await copyFile(beside, path, constants.COPYFILE_EXCL);
  }
}

async function usable<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const exists = (cause as NodeJS.ErrnoException).code === 'EEXIST';
    throw exists ? isThere(path, cause) : unusable(path, cause);
  }
}

/** The file cannot be read or written: its folder, its rights, or a disk that is full. */
export function unusable(path: string, cause: unknown): CliError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new CliError('CLI_BACKUP_UNUSABLE', `${path}: ${why}`, { cause });
}

function isThere(path: string, cause?: unknown): CliError {
  const words = `${path} is there already: take another name, or --force`;
  return new CliError('CLI_BACKUP_UNUSABLE', words, { cause });
}

async function readLine(path: string, file: FileHandle, position: number): Promise<string> {
  const buffer = Buffer.alloc(lineBytesMax);
  const { bytesRead } = await usable(path, () => file.read(buffer, 0, lineBytesMax, position));
  const end = buffer.subarray(0, bytesRead).indexOf(10);
  if (end < 0) throw damaged(path, 'a line of its head has no end');
  return buffer.toString('utf8', 0, end);
}

function readHeader(path: string, line: string): Header {
  try {
    const head: unknown = JSON.parse(line);
    if (header.Check(head)) return head;
  } catch {
    // Told below.
  }
  throw damaged(path, 'its head cannot be read');
}

async function digestFrom(file: FileHandle, start: number): Promise<string> {
  const digest = createHash('sha256');
  const stream = file.createReadStream({ start, autoClose: false });
  for await (const chunk of stream) digest.update(chunk as Buffer);
  return digest.digest('hex');
}

async function readExactly(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  for (let read = 0; read < length;) {
    const { bytesRead } = await file.read(buffer, read, length - read, position + read);
    if (bytesRead === 0) throw new CliError('CLI_BACKUP_DAMAGED', 'the file was cut while it was read');
    read += bytesRead;
  }
  return buffer;
}

function damaged(path: string, why: string): CliError {
  return new CliError('CLI_BACKUP_DAMAGED', `${path} cannot be used: ${why}`);
}

function newer(path: string, found: number): CliError {
  return new CliError(
    'CLI_BACKUP_NEWER',
    `${path} is a backup of version ${found}, and this program knows ${version}: take the postern of the platform that made it, or a newer one`,
  );
}
