/**
 * Backup and restore, as each owner of documents is asked for it. A backup is one part from each owner: its documents as
 * they were at one moment, one JSON text a line, compressed. A part is fetched and given in pieces that fit a message.
 *
 *   backup    begin ─► a snapshot, held by one replica for a while ─► read, read, read
 *   restore   begin ─► chunk, chunk, chunk (kept in the documents, any replica takes them) ─► check ─► commit
 *
 * Until `commit` nothing of the owner's documents is touched, and `commit` is one transaction.
 */
import { Type, type Static } from 'typebox';
import { Actor, Done } from './object.ts';
import { defineQuestion } from './question.ts';

/**
 * Who owns documents that are backed up, in the order in which they are read and put in place. The router first: what the
 * others hold for a gateway that it does not have they would drop. certstore last: with its CAs the API changes its
 * certificate, which whoever restores may not believe.
 */
export const backupRooms = ['router', 'acl', 'certstore'] as const;
/** One of them. */
export const BackupRoom = Type.Union([
  Type.Literal('certstore'),
  Type.Literal('router'),
  Type.Literal('acl'),
]);
export type BackupRoom = (typeof backupRooms)[number];

/** Most bytes of one piece; in base64 it fits a request of the API. */
export const backupPieceBytes = 192 * 1024;
/** Most bytes of one part, compressed. */
export const backupPartBytesMax = 128 * 1024 * 1024;

const Piece = Type.String({
  maxLength: (backupPieceBytes / 3) * 4 + 4,
  pattern: '^[A-Za-z0-9+/]*={0,2}$',
  description: 'base64',
});
const restoreId = Type.String({ pattern: '^[0-9a-z]{16,40}$' });

/** What there is to know of a part, without its contents. */
export const BackupPart = Type.Object({
  room: BackupRoom,
  bytes: Type.Integer({ minimum: 1, maximum: backupPartBytesMax, description: 'compressed' }),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'of the compressed bytes' }),
  documents: Type.Integer({ minimum: 0 }),
  keyIds: Type.Array(Type.String({ maxLength: 256 }), {
    maxItems: 100,
    description: 'the key-encryption keys that its secrets are under; a restore needs them',
  }),
});
export type BackupPart = Static<typeof BackupPart>;

/** A part whose snapshot is held: where to read it. */
export const HeldBackupPart = Type.Object({
  ...BackupPart.properties,
  handle: Type.String({ pattern: '^[0-9a-z]{1,40}\\.[0-9a-z]{1,40}$', description: 'replica and snapshot' }),
});
export type HeldBackupPart = Static<typeof HeldBackupPart>;

/** A piece of a part, and where the next begins; null at the end. */
export const BackupPiece = Type.Object({
  data: Piece,
  nextOffset: Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]),
});

/** What an owner says of a part that is whole and can be used; the version before says nothing. */
export const CheckedRestore = Type.Object({
  warnings: Type.Optional(
    Type.Array(Type.String(), {
      description:
        'what to know before it is put in place: security tokens and API keys that were taken away since the backup and are good again afterwards',
    }),
  ),
});

/** Which restore an owner's documents are of. */
export const DoneRestore = Type.Object({ restoreId: Type.Union([Type.String(), Type.Null()]) });

/** The questions to one owner. `read` is asked with the replica of the handle as suffix. */
export function backupQuestions(room: BackupRoom) {
  return {
    begin: defineQuestion(`${room}.backup.begin`, Type.Object({}), HeldBackupPart, { deadlineMs: 28_000 }),
    read: defineQuestion(
      `${room}.backup.read`,
      Type.Object({ snapshot: Type.String({ maxLength: 40 }), offset: Type.Integer({ minimum: 0 }) }),
      BackupPiece,
    ),
    beginRestore: defineQuestion(
      `${room}.restore.begin`,
      Type.Object({ restoreId, part: BackupPart, overwrite: Type.Boolean() }),
      Done,
    ),
    chunk: defineQuestion(
      `${room}.restore.chunk`,
      Type.Object({ restoreId, index: Type.Integer({ minimum: 0, maximum: 99_999 }), data: Piece }),
      Done,
    ),
    check: defineQuestion(`${room}.restore.check`, Type.Object({ restoreId }), CheckedRestore, {
      deadlineMs: 28_000,
    }),
    commit: defineQuestion(
      `${room}.restore.commit`,
      Type.Object({ restoreId, by: Type.Optional(Actor) }),
      Done,
      { deadlineMs: 28_000 },
    ),
    done: defineQuestion(`${room}.restore.done`, Type.Object({}), DoneRestore),
    abandon: defineQuestion(`${room}.restore.abandon`, Type.Object({ restoreId }), Done),
  };
}
