/**
 * Backup and restore, driven by the command line: it says which owner is asked for what next, so that no call is longer
 * than a request may be, and any replica of this service takes any of them. Nothing is kept here.
 */
import { backupError } from '@postern/backup';
import type { Bus } from '@postern/bus';
import {
  BackupPart,
  BackupPiece,
  BackupRoom,
  CheckedRestore,
  HeldBackupPart,
  ask,
  backupQuestions,
  backupRooms,
} from '@postern/contracts';
import { newId } from '@postern/store';
import { Type } from 'typebox';
import { adminError } from '../errors.ts';
import { endpoint, type Endpoint } from '../http/endpoint.ts';
import { actorOf } from '../http/permission.ts';
import { answerOf, bodyOf, param } from '../http/shape.ts';

const tag = 'Backup';
const OfRoom = bodyOf('RestoreStep', { room: BackupRoom });

/** The calls of backup and restore. */
export function backupEndpoints(bus: Bus, version: string): Endpoint[] {
  return [
    endpoint({
      method: 'POST',
      path: '/backups',
      operationId: 'beginBackup',
      tag,
      summary: 'Take a snapshot of all documents',
      description:
        'Each owner holds its part, as it was at one moment, until it was not read for a minute. Secrets stay encrypted under the key-encryption keys that `keyIds` name. The command `postern backup` makes a file of it.',
      status: 201,
      answer: answerOf('Backup', {
        version: Type.String({ description: 'of the platform' }),
        madeAt: Type.String({ format: 'date-time' }),
        parts: Type.Array(HeldBackupPart),
      }),
      handle: async () => {
        const madeAt = new Date().toISOString();
        const parts: HeldBackupPart[] = [];
        // One after the other: what the router's documents name was there when the others are asked.
        for (const room of backupRooms) parts.push(await ask(bus, backupQuestions(room).begin, {}));
        return { body: { version, madeAt, parts } };
      },
    }),
    endpoint({
      method: 'GET',
      path: '/backups/:room/:handle',
      operationId: 'readBackup',
      tag,
      summary: 'A piece of a part that is held',
      query: Type.Object(
        { offset: Type.Integer({ minimum: 0, default: 0, description: '`nextOffset` of the piece before' }) },
        { additionalProperties: false },
      ),
      status: 200,
      answer: answerOf('BackupPiece', BackupPiece.properties),
      handle: async (call) => {
        const [replica = '', snapshot = ''] = param(call, 'handle').split('.');
        if (!/^[0-9a-z]{1,40}$/.test(replica))
          throw adminError('ADMIN_PATH_UNKNOWN', 'a handle is REPLICA.SNAPSHOT');
        const { offset } = call.query;
        const { read } = backupQuestions(roomOf(param(call, 'room')));
        try {
          return { body: await ask(bus, read, { snapshot, offset }, { suffix: replica }) };
        } catch (error) {
          throw isGone(error) ? backupError('BACKUP_SNAPSHOT_GONE', gone, { cause: error }) : error;
        }
      },
    }),
    endpoint({
      method: 'POST',
      path: '/restores',
      operationId: 'beginRestore',
      tag,
      summary: 'Begin to put a backup in place of what there is',
      description:
        'Refused where the platform is in use, unless `overwrite` says otherwise. Give every part in pieces, have each owner check its own, then commit, in the order of `parts`. Nothing is changed before. The command `postern restore` does all of it.',
      body: bodyOf('NewRestore', {
        parts: Type.Array(BackupPart, { minItems: backupRooms.length, maxItems: backupRooms.length }),
        overwrite: Type.Optional(
          Type.Boolean({ description: 'also where the platform is in use; false unless given' }),
        ),
      }),
      status: 201,
      answer: answerOf('Restore', { id: Type.String() }),
      handle: async ({ body: { parts, overwrite = false } }) => {
        const id = newId();
        for (const part of parts)
          await ask(bus, backupQuestions(part.room).beginRestore, { restoreId: id, part, overwrite });
        return { body: { id } };
      },
    }),
    endpoint({
      method: 'POST',
      path: '/restores/:restoreId/pieces',
      operationId: 'giveRestorePiece',
      tag,
      summary: 'Give a piece of a part',
      body: bodyOf('RestorePiece', {
        room: BackupRoom,
        index: Type.Integer({ minimum: 0, maximum: 99_999 }),
        data: BackupPiece.properties.data,
      }),
      status: 204,
      handle: async (call) => {
        const { room, ...piece } = call.body;
        const restoreId = idOf(param(call, 'restoreId'));
        await ask(bus, backupQuestions(room).chunk, { restoreId, ...piece });
        return {};
      },
    }),
    endpoint({
      method: 'POST',
      path: '/restores/:restoreId/check',
      operationId: 'checkRestore',
      tag,
      summary: 'Have an owner look whether its part is whole and can be used',
      body: OfRoom,
      status: 200,
      answer: answerOf('CheckedRestore', CheckedRestore.properties),
      handle: async (call) => {
        const restoreId = idOf(param(call, 'restoreId'));
        return { body: await ask(bus, backupQuestions(call.body.room).check, { restoreId }) };
      },
    }),
    endpoint({
      method: 'POST',
      path: '/restores/:restoreId/commit',
      operationId: 'commitRestore',
      tag,
      summary: 'Have an owner put its part in place, all or nothing',
      description: 'The API key that calls stays, also where it is not in the backup.',
      body: OfRoom,
      status: 204,
      handle: async (call) => {
        const restoreId = idOf(param(call, 'restoreId'));
        await ask(bus, backupQuestions(call.body.room).commit, { restoreId, ...actorOf(call.actor) });
        return {};
      },
    }),
    endpoint({
      method: 'DELETE',
      path: '/restores/:restoreId',
      operationId: 'abandonRestore',
      tag,
      summary: 'Forget what was given and not committed',
      status: 204,
      handle: async (call) => {
        const restoreId = idOf(param(call, 'restoreId'));
        for (const room of backupRooms) await ask(bus, backupQuestions(room).abandon, { restoreId });
        return {};
      },
    }),
  ];
}

const gone = 'the replica that held this backup is gone: begin a new one';

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'BUS_NO_RESPONDER';
}

function roomOf(text: string): BackupRoom {
  const room = backupRooms.find((one) => one === text);
  if (room === undefined)
    throw adminError('ADMIN_PATH_UNKNOWN', `parts of a backup are ${backupRooms.join(', ')}`);
  return room;
}

function idOf(text: string): string {
  if (!/^[0-9a-z]{16,40}$/.test(text)) throw adminError('ADMIN_PATH_UNKNOWN', 'there is no such restore');
  return text;
}
