/**
 * The step once MongoDB runs: the replica set, and for each service a user with a database of its own. It uses the driver
 * and not MongoDB's shell, so it needs nothing that the servers' image may lack. What is there is brought up to date.
 *
 * MongoDB makes its first user by itself, on the first server alone; the others must be empty to join.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Db, MongoClient, type MongoClientOptions } from 'mongodb';
import type { SetupSettings } from './config.ts';
import { moveDocuments } from './document-move.ts';
import { type DocumentService, documentServices, userOf } from './document-permission.ts';
import { SetupError } from './errors.ts';

const pauseMs = 500;
/** MongoDB's own codes. */
const Code = { AlreadyInitialized: 23, UserExists: 51003 } as const;

/** Does what is missing; `say` is told each thing that was done. */
export async function setUpDocuments(settings: SetupSettings, say: (words: string) => void): Promise<void> {
  const { folder, mongodbDatabase } = settings;
  const secrets = join(folder, 'setup');
  const client = await connected(settings, clientOptions(secrets), say);
  try {
    for (const service of documentServices) {
      const password = readSecret(secrets, `mongodb-${service}-password`);
      await provide(client.db(mongodbDatabase), service, password, say);
    }
    await moveDocuments(client, mongodbDatabase, say);
  } finally {
    await client.close();
  }
}

function clientOptions(secrets: string): MongoClientOptions {
  return {
    appName: 'postern-setup',
    auth: { username: 'root', password: readSecret(secrets, 'mongodb-root-password') },
    authSource: 'admin',
    tls: true,
    ca: [readFileSync(join(secrets, 'ca.pem'))],
    serverSelectionTimeoutMS: 2_000,
  };
}

/** To the member that is primary, whichever it is; where there is no replica set yet it is made. */
async function connected(
  settings: SetupSettings,
  options: MongoClientOptions,
  say: (words: string) => void,
): Promise<MongoClient> {
  const { mongodbHosts, mongodbPort, replicaSet, withinMs } = settings;
  const members = mongodbHosts.map((host) => `${host}:${mongodbPort}`);
  const url = `mongodb://${members.join(',')}/?replicaSet=${replicaSet}`;
  const deadline = Date.now() + withinMs;
  for (;;) {
    const client = new MongoClient(url, options);
    try {
      await client.db('admin').command({ ping: 1 });
      return client;
    } catch (cause) {
      await client.close();
      if (Date.now() > deadline) {
        const words = `no primary answers at ${members.join(', ')}`;
        throw new SetupError('SETUP_SERVER_UNREACHABLE', words, { cause });
      }
    }
    await initiate(members, replicaSet, options, say);
    await delay(pauseMs);
  }
}

/** Makes the replica set on the first server, when that is up and has none. */
async function initiate(
  members: readonly string[],
  replicaSet: string,
  options: MongoClientOptions,
  say: (words: string) => void,
): Promise<void> {
  const client = new MongoClient(`mongodb://${members[0]}/?directConnection=true`, options);
  const admin = client.db('admin');
  try {
    if ((await admin.command({ hello: 1 }))['setName'] !== undefined) return;
    const config = { _id: replicaSet, members: members.map((host, _id) => ({ _id, host })) };
    await admin.command({ replSetInitiate: config });
    say(`the replica set ${replicaSet} of ${members.length} was made`);
  } catch (error) {
    // One that is out of reach is asked again; what a server that answers refuses is told, but for who was faster.
    const { code } = error as { code?: unknown };
    if (typeof code === 'number' && code !== Code.AlreadyInitialized) throw error;
  } finally {
    await client.close();
  }
}

/** The user of a service, with the right to its own database and, from now on, to no other. */
async function provide(
  database: Db,
  service: DocumentService,
  password: string,
  say: (words: string) => void,
): Promise<void> {
  const { name, roles } = userOf(service, database.databaseName);
  try {
    await database.command({ createUser: name, pwd: password, roles });
    say(`the user ${name} was made`);
  } catch (error) {
    if ((error as { code?: number }).code !== Code.UserExists) throw error;
    await database.command({ updateUser: name, pwd: password, roles });
  }
}

function readSecret(folder: string, name: string): string {
  try {
    return readFileSync(join(folder, name), 'utf8');
  } catch (cause) {
    throw new SetupError('SETUP_SECRETS_MISSING', `run the step secrets first: ${name} is missing`, {
      cause,
    });
  }
}
