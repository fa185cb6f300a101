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
  const { folder, mongodbHosts, mongodbPort, mongodbDatabase, withinMs } = settings;
  const deadline = AbortSignal.timeout(withinMs);
  const [first = ''] = mongodbHosts;
  const secrets = join(folder, 'setup');
  const options = connection(secrets, readSecret(secrets, 'mongodb-root-password'));
  const client = await connected(
    `mongodb://${first}:${mongodbPort}/?directConnection=true`,
    options,
    deadline,
  );
  try {
    await initiate(client.db('admin'), settings, deadline, say);
    const database = client.db(mongodbDatabase);
    for (const service of documentServices) {
      await provide(database, service, readSecret(secrets, `mongodb-${service}-password`), say);
    }
    await moveDocuments(client, mongodbDatabase, say);
  } finally {
    await client.close();
  }
}

function connection(secrets: string, password: string): MongoClientOptions {
  return {
    appName: 'postern-setup',
    auth: { username: 'root', password },
    authSource: 'admin',
    tls: true,
    ca: [readFileSync(join(secrets, 'ca.pem'))],
    serverSelectionTimeoutMS: 2_000,
  };
}

async function connected(
  url: string,
  options: MongoClientOptions,
  deadline: AbortSignal,
): Promise<MongoClient> {
  for (;;) {
    const client = new MongoClient(url, options);
    try {
      await client.db('admin').command({ ping: 1 });
      return client;
    } catch (cause) {
      await client.close();
      if (deadline.aborted) {
        throw new SetupError('SETUP_SERVER_UNREACHABLE', `no answer from ${url}`, { cause });
      }
    }
    await delay(pauseMs);
  }
}

async function initiate(
  admin: Db,
  { mongodbHosts, mongodbPort, replicaSet }: SetupSettings,
  deadline: AbortSignal,
  say: (words: string) => void,
): Promise<void> {
  if ((await admin.command({ hello: 1 }))['setName'] === undefined) {
    const members = mongodbHosts.map((host, _id) => ({ _id, host: `${host}:${mongodbPort}` }));
    await admin
      .command({ replSetInitiate: { _id: replicaSet, members } })
      .catch(unless(Code.AlreadyInitialized));
    say(`the replica set ${replicaSet} of ${members.length} was made`);
  }
  while ((await admin.command({ hello: 1 }))['isWritablePrimary'] !== true) {
    if (deadline.aborted || (await hasOtherPrimary(admin))) return otherPrimary(deadline);
    await delay(pauseMs);
  }
}

async function hasOtherPrimary(admin: Db): Promise<boolean> {
  const { primary, me } = (await admin.command({ hello: 1 })) as { primary?: string; me?: string };
  return primary !== undefined && primary !== me;
}

/** Users and roles are written by the primary; at the first start that is the first server. */
function otherPrimary(deadline: AbortSignal): never {
  throw new SetupError(
    'SETUP_SERVER_UNREACHABLE',
    deadline.aborted
      ? 'the replica set has no primary'
      : 'another server than the first is primary now; its users are as they were',
  );
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

function unless(code: number): (error: unknown) => void {
  return (error) => {
    if ((error as { code?: number }).code !== code) throw error;
  };
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
