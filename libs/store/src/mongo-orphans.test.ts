import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type ClientSession, type Db, type MongoClient, Binary } from 'mongodb';
import { MongoOrphans } from './mongo-orphans.ts';

it('forgets processes of its program that are silent with its first transaction', async () => {
  const forgotten: unknown[] = [];
  const killed: unknown[] = [];
  const silent = { _id: 'former', program: 'router', sessions: [new Binary()], saidAt: new Date(0) };
  const holders = {
    find: async function* ({ program }: { program: string }) {
      if (program === silent.program) yield silent;
    },
    updateOne: async () => ({}),
    deleteOne: async (which: object) => void forgotten.push(which),
  };
  const admin = {
    command: async (command: { killSessions?: unknown[] }) => {
      killed.push(...(command.killSessions ?? []));
      return { localTime: new Date() };
    },
  };
  const client = { db: () => admin } as unknown as MongoClient;
  const orphans = new MongoOrphans(client, { collection: () => holders } as unknown as Db, silent.program);
  const leave = await orphans.enter({ id: { id: new Binary() } } as unknown as ClientSession);
  await turn();
  assert.deepEqual(forgotten, [{ _id: 'former', saidAt: silent.saidAt }]);
  assert.deepEqual(killed, [{ id: silent.sessions[0] }]);
  leave();
});
