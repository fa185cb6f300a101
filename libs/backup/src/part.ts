/**
 * The contents of a part: compressed lines of JSON. The first says which collections there are, in which version and
 * with how many documents; the others are the documents, each `[collection, document]`.
 *
 *   {"room":"router","collections":{"gateways":{"version":1,"documents":2},…}}
 *   ["gateways",{"id":…}]
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { type BackupPart, type BackupRoom, backupPartBytesMax } from '@postern/contracts';
import { type StoredDocument, documentBytesMax, versionOf } from '@postern/store';
import { backupError, damaged } from './errors.ts';
import { PartCollection } from './part-collection.ts';
import type { BackedUpCollection } from './source.ts';

/** Most bytes of a part's lines, which are one text in memory; checked while they are unpacked. */
const unpackedBytesMax = 384 * 1024 * 1024;
/** Longest line: a document, and the name of its collection. */
const lineBytesMax = 2 * documentBytesMax;
const lineFeed = 10;

/** Most documents of a part: as many lines are read of it. */
export const documentsMax = 200_000;

/** Documents by collection. */
export type Contents = Map<string, StoredDocument[]>;

/** Lines and digest of these documents. */
export async function packPart(
  room: BackupRoom,
  collections: readonly BackedUpCollection[],
  contents: Contents,
): Promise<{ bytes: Buffer; part: Omit<BackupPart, 'keyIds'> }> {
  const head: Head = { room, collections: {} };
  let documents = 0;
  let size = 0;
  const lines: string[] = [''];
  for (const {
    collection: { name, steps },
  } of collections) {
    const own = contents.get(name) ?? [];
    head.collections[name] = { version: versionOf(steps), documents: own.length };
    documents += own.length;
    if (documents > documentsMax) throw tooLarge(room, `${documentsMax} documents`);
    for (const document of own) {
      const line = JSON.stringify([name, document]);
      size += Buffer.byteLength(line) + 1;
      lines.push(line);
    }
    if (size > unpackedBytesMax) throw tooLarge(room, `${unpackedBytesMax} bytes`);
  }
  lines[0] = JSON.stringify(head);
  const bytes = await promisify(gzip)(`${lines.join('\n')}\n`);
  if (bytes.length > backupPartBytesMax) throw tooLarge(room, `${backupPartBytesMax} bytes`);
  return { bytes, part: { room, bytes: bytes.length, sha256: digestOf(bytes), documents } };
}

/**
 * The documents of a part in the versions of these collections. Throws `BACKUP_DAMAGED`, and `BACKUP_NEWER` when it has
 * collections or versions that this program does not know.
 */
export async function unpackPart(
  part: Pick<BackupPart, 'room' | 'sha256' | 'documents'>,
  collections: readonly BackedUpCollection[],
  bytes: Buffer,
): Promise<Contents> {
  const { room } = part;
  if (digestOf(bytes) !== part.sha256) throw damaged(room, 'its digest is another');
  const text = await promisify(gunzip)(bytes, { maxOutputLength: unpackedBytesMax }).catch(
    (cause: unknown) => {
      throw damaged(room, 'it cannot be unpacked', cause);
    },
  );
  const lines = linesOf(room, text);
  const head = readHead(room, lines.next().value ?? '');
  const said = partCollections(room, collections, head);
  const sum = sumOf(head);
  if (sum !== part.documents) throw damaged(room, `it has ${sum} documents and says ${part.documents}`);
  if (sum > documentsMax) throw damaged(room, `it has more than ${documentsMax} documents`);
  let count = 0;
  for (const line of lines) {
    count += 1;
    if (count > sum) throw damaged(room, `it has more than its ${sum} documents`);
    const [name, document] = readLine(room, line);
    const collection = said.get(name);
    if (collection === undefined)
      throw damaged(room, `it has a document of ${name}, which its head does not`);
    collection.add(document);
  }
  for (const [name, { documents }] of Object.entries(head.collections)) {
    if (said.get(name)?.documents.length !== documents)
      throw damaged(room, `documents of ${name} are missing`);
  }
  return new Map(collections.map(({ collection: { name } }) => [name, said.get(name)?.documents ?? []]));
}

/** Those that the head names. */
function partCollections(
  room: BackupRoom,
  collections: readonly BackedUpCollection[],
  head: Head,
): Map<string, PartCollection> {
  const known = new Map(collections.map((one) => [one.collection.name, one]));
  const said = new Map<string, PartCollection>();
  for (const [name, { version }] of Object.entries(head.collections)) {
    const own = known.get(name);
    if (own === undefined || version > versionOf(own.collection.steps)) throw newer(room, name);
    said.set(name, new PartCollection(room, own, version));
  }
  return said;
}

/** SHA-256, hexadecimal. */
export function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** One after the other: an unpacked part can be millions of lines, which would take many times its bytes at once. */
function* linesOf(room: BackupRoom, text: Buffer): Generator<string, undefined> {
  for (let at = 0; at < text.length;) {
    const found = text.indexOf(lineFeed, at);
    const end = found === -1 ? text.length : found;
    if (end - at > lineBytesMax) throw damaged(room, 'a line of it is no document');
    yield text.toString('utf8', at, end);
    at = end + 1;
  }
}

function sumOf({ collections }: Head): number {
  return Object.values(collections).reduce((sum, { documents }) => sum + documents, 0);
}

interface Head {
  room: BackupRoom;
  collections: Record<string, { version: number; documents: number }>;
}

function readHead(room: BackupRoom, line: string): Head {
  try {
    const head = JSON.parse(line) as Head;
    const entries = Object.values(head.collections);
    const isWell = entries.every(
      ({ version, documents }) => Number.isSafeInteger(version) && version >= 1 && documents >= 0,
    );
    if (head.room === room && isWell) return head;
  } catch {
    // Told below.
  }
  throw damaged(room, 'its head cannot be read');
}

function readLine(room: BackupRoom, line: string): [string, StoredDocument] {
  try {
    const [name, document] = JSON.parse(line) as [unknown, Partial<StoredDocument> | null];
    const isDocument = typeof document?.id === 'string' && Number.isSafeInteger(document.revision);
    if (typeof name === 'string' && isDocument) return [name, document as StoredDocument];
  } catch {
    // Told below.
  }
  throw damaged(room, 'a line of it is no document');
}

function tooLarge(room: BackupRoom, most: string): Error {
  return backupError('BACKUP_TOO_LARGE', `${room} has more than a backup can take: ${most}`);
}

function newer(room: BackupRoom, name: string): Error {
  return backupError(
    'BACKUP_NEWER',
    `the backup was made by a newer version of Postern: its ${name} are of a version that this ${room} does not know`,
  );
}
