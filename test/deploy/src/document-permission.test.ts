// Each service enters the documents as the user that the set-up made for it, over TLS, and may touch its own collections
// there and nothing else. The set-up is what Compose runs. The server here speaks MongoDB's protocol with its users and
// roles, but does not look at the collection of a privilege: what it was told is compared instead.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { secantusLaunch } from '@postern/scripts/install';
import {
  type DocumentService,
  collectionActions,
  documentServices,
  makeSecrets,
  ownCollections,
  program,
  setUpDocuments,
} from '@postern/setup';
import { type Store, type StoredDocument, connectMongo } from '@postern/store';
import { Part, freePort, makeScratch, removeScratch } from '@postern/test-cluster';
import { MongoClient } from 'mongodb';

/** How the server that stands in for MongoDB calls its replica set. */
const standIn = 'secantus';

let folder: string;
let server: Part;
let port: number;
const stores = new Map<DocumentService, Store>();

before(async () => {
  folder = await makeScratch('document-permission');
  port = await freePort('127.0.0.1');
  const given = ['--mongodb-hosts', 'localhost', '--mongodb-port', String(port), '--replica-set', standIn];
  const resolution = program.resolve(['documents', '--folder', folder, ...given], {});
  assert(resolution.kind === 'run');
  await makeSecrets(resolution.settings);
  await makeFirstUser();
  const secrets = join(folder, 'mongodb');
  const tls = [
    '--tls-cert-file',
    join(secrets, 'certificate.pem'),
    '--tls-key-file',
    join(secrets, 'key.pem'),
  ];
  server = await startServer(['--auth', ...tls]);
  // At every start of the platform.
  await setUpDocuments(resolution.settings, () => {});
  await setUpDocuments(resolution.settings, () => {});
  for (const service of documentServices) {
    const url = readFileSync(join(folder, service, 'mongodb-url'), 'utf8');
    const caFile = join(folder, service, 'ca.pem');
    stores.set(service, await connectMongo(url, { tls: { caFile }, waitOnFirstConnect: false }));
  }
});
after(async () => {
  for (const store of stores.values()) await store.close();
  await server?.stop();
  removeScratch(folder);
});

for (const service of documentServices) {
  test(`${service} may do its work with every collection of its own`, async () => {
    for (const name of ownCollections[service]) {
      const things = await storeOf(service).collection<StoredDocument>(name, { unique: [['x']] });
      const made = await things.insert({ id: 'tried', revision: 1 });
      assert.deepEqual(await things.list(), { items: [made], nextCursor: null });
      await things.replace(made);
      await storeOf(service).transaction(async (within) => within(things).put({ id: 'other', revision: 1 }));
      assert.equal(await things.delete('tried'), true);
      assert.equal(await things.count(), 1);
    }
  });

  test(`the role of ${service} names its own collections, and for none more than the store does`, async () => {
    await asRoot(async (client) => {
      const asked = { rolesInfo: `postern-${service}`, showPrivileges: true };
      const { roles } = (await client.db('postern').command(asked)) as { roles: Role[] };
      const [role] = roles;
      assert(role !== undefined && role.roles.length === 0);
      const names = role.privileges.map(({ resource }) => resource.collection);
      assert.deepEqual(names.toSorted(), [...ownCollections[service]].sort());
      for (const { resource, actions } of role.privileges) {
        assert.equal(resource.db, 'postern');
        assert.deepEqual(actions.toSorted(), [...collectionActions].sort());
      }
    });
  });

  test(`${service} may drop nothing, and has no other database`, async () => {
    await asUser(service, async (client) => {
      await assert.rejects(client.db('postern').dropDatabase(), unauthorized);
      for (const name of ownCollections[service])
        await assert.rejects(client.db('postern').collection(name).drop(), unauthorized);
      await assert.rejects(client.db('admin').collection('x').findOne({}), unauthorized);
      await assert.rejects(client.db('other').collection('x').insertOne({}), unauthorized);
    });
  });

  test(`${service} may make no user and give itself no role`, async () => {
    await asUser(service, async (client) => {
      const database = client.db('postern');
      const grant = { grantRolesToUser: `postern-${service}`, roles: ['readWrite'] };
      await assert.rejects(database.command(grant), unauthorized);
      await assert.rejects(database.command({ createUser: 'x', pwd: 'x', roles: [] }), unauthorized);
    });
  });
}

test('no service may touch what is another’s', async (t) => {
  const { setName } = await storedBy();
  if (setName === standIn)
    return t.skip('NOT TESTED: the server here holds a role to a database, not to a collection');
  for (const service of documentServices) {
    const others = documentServices.filter((one) => one !== service);
    await asUser(service, async (client) => {
      for (const name of others.flatMap((owner) => ownCollections[owner])) {
        const theirs = client.db('postern').collection(name);
        await assert.rejects(theirs.findOne({}), unauthorized);
        await assert.rejects(theirs.insertOne({ x: 1 }), unauthorized);
        await assert.rejects(theirs.updateMany({}, { $set: { x: 1 } }), unauthorized);
        await assert.rejects(theirs.deleteMany({}), unauthorized);
      }
    });
  }
});

test('nobody reads without a user, or with another’s password', async () => {
  const tls = { caFile: join(folder, 'router', 'ca.pem') };
  const mine = readFileSync(join(folder, 'router', 'mongodb-url'), 'utf8');
  const wrong = mine.replace('postern-router', 'postern-acl');
  await assert.rejects(connectMongo(wrong, { tls, waitOnFirstConnect: false }), { code: 'STORE_REFUSED' });
  const nobody = await connectMongo(`mongodb://localhost:${port}/postern?directConnection=true`, {
    tls,
    waitOnFirstConnect: false,
  });
  await assert.rejects(nobody.collection('gateways'), { code: 'STORE_REFUSED' });
  await nobody.close();
});

const unauthorized = { code: 13 };

interface Role {
  readonly roles: readonly unknown[];
  readonly privileges: readonly {
    readonly resource: { readonly db: string; readonly collection: string };
    readonly actions: readonly string[];
  }[];
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

/** What the server says of itself. */
async function storedBy(): Promise<{ setName?: string }> {
  let hello = {};
  await asRoot(async (client) => void (hello = await client.db('admin').command({ hello: 1 })));
  return hello;
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

/** As MongoDB's image makes it at its first start; the stand-in has to be started once without users for that. */
async function makeFirstUser(): Promise<void> {
  server = await startServer([]);
  const client = new MongoClient(`mongodb://localhost:${port}/?directConnection=true`);
  const pwd = readFileSync(join(folder, 'mongodb', 'root-password'), 'utf8');
  await client.db('admin').command({ createUser: 'root', pwd, roles: [{ role: 'root', db: 'admin' }] });
  await client.close();
  await server.stop();
}

async function startServer(more: readonly string[]): Promise<Part> {
  const { command, args, environment } = secantusLaunch();
  const home = join(folder, 'documents');
  await mkdir(home, { recursive: true });
  const own = ['--host', 'localhost', '--port', String(port), '--storage-path', home, '--cache-size', '256M'];
  const part = new Part({
    name: 'mongodb',
    command,
    args: [...args, ...own, ...more],
    environment: { ...environment, PYTHONUNBUFFERED: '1' },
    folder: home,
    logFile: join(folder, 'mongodb.log'),
    ready: { line: /secantus listening on/ },
  });
  await part.start();
  return part;
}
