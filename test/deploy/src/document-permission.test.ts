// Each service enters the documents as the user that the set-up made for it, over TLS, and may touch its own there and
// nothing else; each tries to overstep. The set-up is what Compose runs. What a platform of before keeps in one database
// for all of them is moved, and the right to that one gone.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  type DocumentService,
  databaseOf,
  documentServices,
  makeSecrets,
  program,
  setUpDocuments,
} from '@postern/setup';
import type { Store, StoredDocument } from '@postern/store';
import { connectMongo } from '@postern/store/mongo';
import { type Part, makeScratch, removeScratch } from '@postern/test-cluster';
import { freePort } from '@postern/test-kit';
import { MongoClient } from 'mongodb';
import { standIn, startGuardedDocuments } from './guarded-documents.ts';

let folder: string;
let server: Part;
let port: number;
const stores = new Map<DocumentService, Store>();
const said: string[] = [];

before(async () => {
  folder = await makeScratch('document-permission');
  port = await freePort('127.0.0.1');
  const given = ['--mongodb-hosts', 'localhost', '--mongodb-port', String(port), '--replica-set', standIn];
  const resolution = program.resolve(['documents', '--folder', folder, ...given], {});
  assert(resolution.kind === 'run');
  await makeSecrets(resolution.settings);
  server = await startGuardedDocuments(folder, 'localhost', port);
  await asRoot(makeFormer);
  // At every start of the platform.
  await setUpDocuments(resolution.settings, (words) => said.push(words));
  await setUpDocuments(resolution.settings, (words) => said.push(words));
  for (const service of documentServices) {
    const url = readFileSync(join(folder, service, 'mongodb-url'), 'utf8');
    const caFile = join(folder, service, 'ca.pem');
    const database = databaseOf(service, 'postern');
    stores.set(service, await connectMongo(url, { database, tls: { caFile } }));
  }
});
after(async () => {
  for (const store of stores.values()) await store.close();
  await server?.stop();
  removeScratch(folder);
});

for (const service of documentServices) {
  const own = databaseOf(service, 'postern');

  test(`${service} may do its work in a database of its own`, async () => {
    const things = await storeOf(service).collection<StoredDocument>('things', { unique: [['x']] });
    const made = await things.insert({ id: 'tried', revision: 1 });
    assert.deepEqual(await things.list(), { items: [made], nextCursor: null });
    await things.replace(made);
    await storeOf(service).transaction(async (within) => within(things).put({ id: 'other', revision: 1 }));
    assert.equal(await things.delete('tried'), true);
    assert.equal(await things.count(), 1);
  });

  test(`${service} may touch nothing that is another’s, nor what was everybody’s`, async () => {
    const others = documentServices.filter((one) => one !== service).map((one) => databaseOf(one, 'postern'));
    await asUser(service, async (client) => {
      for (const database of [...others, 'postern', 'admin', 'other']) {
        const theirs = client.db(database).collection('things');
        await assert.rejects(theirs.findOne({}), unauthorized);
        await assert.rejects(theirs.insertOne({ x: 1 }), unauthorized);
        await assert.rejects(theirs.updateMany({}, { $set: { x: 1 } }), unauthorized);
        await assert.rejects(theirs.deleteMany({}), unauthorized);
        await assert.rejects(theirs.drop(), unauthorized);
        await assert.rejects(client.db(database).createCollection('mine'), unauthorized);
        await assert.rejects(client.db(database).listCollections().toArray(), unauthorized);
        const mine = client.db(own).collection('things');
        for (const out of [
          { $out: { db: database, coll: 'x' } },
          { $merge: { into: { db: database, coll: 'x' } } },
        ])
          await assert.rejects(mine.aggregate([out]).toArray(), unauthorized);
      }
    });
  });

  test(`${service} may make no user, give itself no role and drop no database`, async () => {
    await asUser(service, async (client) => {
      for (const name of ['postern', own]) {
        const grant = { grantRolesToUser: `postern-${service}`, roles: ['root'] };
        await assert.rejects(client.db(name).command(grant), unauthorized);
        await assert.rejects(client.db(name).command({ createUser: 'x', pwd: 'x', roles: [] }), unauthorized);
      }
      await assert.rejects(client.db(own).dropDatabase(), unauthorized);
    });
  });
}

test('what was in one database for all is where its service looks for it, once', async () => {
  const moved = said.filter((words) => words.includes('moved'));
  assert.deepEqual(moved, ['2 collections of acl were moved to the database postern_acl']);
  const tokens = await storeOf('acl').collection<StoredDocument>('tokens');
  assert.deepEqual(await tokens.list(), { items: [formerToken], nextCursor: null });
  await asRoot(async (client) => {
    const indexes = await client.db('postern_acl').collection('tokens').indexes();
    assert(indexes.some(({ name, unique }) => name === 'unique hash' && unique === true));
    assert.deepEqual(await client.db('postern').listCollections().toArray(), []);
  });
});

test('nobody reads without a user, or with another’s password', async () => {
  const tls = { caFile: join(folder, 'router', 'ca.pem') };
  const mine = readFileSync(join(folder, 'router', 'mongodb-url'), 'utf8');
  const wrong = mine.replace('postern-router', 'postern-acl');
  await assert.rejects(connectMongo(wrong, { tls }), { code: 'STORE_REFUSED' });
  const nobody = await connectMongo(`mongodb://localhost:${port}/postern?directConnection=true`, {
    tls,
  });
  await assert.rejects(nobody.collection('gateways'), { code: 'STORE_REFUSED' });
  await nobody.close();
});

const unauthorized = { code: 13 };

const formerToken = { id: 'former', revision: 3, hash: 'h' };

/** As set-ups of before left it: a user with a role of its own in the database that was for all. */
async function makeFormer(client: MongoClient): Promise<void> {
  const all = client.db('postern');
  const privileges = [{ resource: { db: 'postern', collection: 'tokens' }, actions: ['find', 'insert'] }];
  await all.command({ createRole: 'postern-acl', privileges, roles: [] });
  const pwd = readFileSync(join(folder, 'setup', 'mongodb-acl-password'), 'utf8');
  await all.command({ createUser: 'postern-acl', pwd, roles: ['postern-acl'] });
  const tokens = all.collection<{ _id: string }>('tokens');
  await tokens.createIndex({ hash: 1 }, { unique: true, name: 'unique hash' });
  const { id: _id, ...rest } = formerToken;
  await tokens.insertOne({ _id, ...rest });
  await all.createCollection('acl_policies_log');
}

function asUser(service: DocumentService, work: (client: MongoClient) => Promise<void>): Promise<void> {
  const url = readFileSync(join(folder, service, 'mongodb-url'), 'utf8');
  return withClient(new MongoClient(url, { tls: true, ca: ca() }), work);
}

function asRoot(work: (client: MongoClient) => Promise<void>): Promise<void> {
  const auth = { username: 'root', password: readFileSync(join(folder, 'mongodb', 'root-password'), 'utf8') };
  const url = `mongodb://localhost:${port}/?directConnection=true`;
  return withClient(new MongoClient(url, { tls: true, ca: ca(), auth, authSource: 'admin' }), work);
}

function ca(): Buffer {
  return readFileSync(join(folder, 'mongodb', 'ca.pem'));
}

async function withClient(client: MongoClient, work: (client: MongoClient) => Promise<void>): Promise<void> {
  try {
    await work(client);
  } finally {
    await client.close();
  }
}

function storeOf(service: DocumentService): Store {
  const found = stores.get(service);
  assert(found !== undefined);
  return found;
}
