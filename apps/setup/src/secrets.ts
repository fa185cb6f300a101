/**
 * The step before any server runs: every secret of the platform, in one folder for each that may read it.
 *
 *   setup/      the CA's key, the first user of MongoDB     nobody but the set-up
 *   nats/       TLS, who may do what (public keys only)     the NATS servers
 *   mongodb/    TLS, the members' common key, first user    the MongoDB servers
 *   edge/ …     the CA, the seed for NATS, the URL of the documents; acl: the first API key; certstore: the
 *               key-encryption key
 *   nodes/…     of each node that has a user of its own on the bus: the CA, its seed
 *   operator/   the first API key
 */
import { randomBytes } from 'node:crypto';
import { nkeys } from '@nats-io/transport-node';
import { type BusService, busServices, natsAuthorization } from './bus-permission.ts';
import type { SetupSettings } from './config.ts';
import { type DocumentService, databaseOf, documentServices, userOf } from './document-permission.ts';
import { SecretFolder } from './secret-folder.ts';
import { serverAuthority, serverCertificate } from './server-certificate.ts';

/** Makes what is missing; returns where the first API key is. */
export async function makeSecrets(settings: SetupSettings): Promise<string> {
  const { folder, serviceUid, natsUid, mongodbUid, natsHosts, mongodbHosts } = settings;
  const own = new SecretFolder(folder, 'setup', process.getuid?.() ?? 0);
  const authority = await serverAuthority(own);
  const nats = new SecretFolder(folder, 'nats', natsUid);
  const mongodb = new SecretFolder(folder, 'mongodb', mongodbUid);
  await serverCertificate(authority, nats, [...natsHosts, 'localhost']);
  await serverCertificate(authority, mongodb, [...mongodbHosts, 'localhost']);

  const services = new Map(
    busServices.map((name) => [name, name === 'setup' ? own : new SecretFolder(folder, name, serviceUid)]),
  );
  const enter = (reader: SecretFolder): string => publicKeyOf(reader.keep('nats.seed', newSeed));
  const publicKeys: Partial<Record<BusService, string>> = {};
  for (const [name, service] of services) {
    if (service !== own) service.write('ca.pem', authority.certificatePem);
    // Nodes with users of their own share none, unless one was made before: until it is removed they may still use it.
    if (name !== 'edge' || settings.nodes.length === 0 || service.has('nats.seed'))
      publicKeys[name] = enter(service);
  }
  const nodeKeys = new Map<string, string>();
  for (const name of settings.nodes) {
    const node = new SecretFolder(folder, `nodes/${name}`, serviceUid);
    node.write('ca.pem', authority.certificatePem);
    nodeKeys.set(name, enter(node));
  }
  nats.write('authorization.conf', natsAuthorization(publicKeys, nodeKeys));
  nats.write('cluster.conf', clusterConfiguration(natsHosts, nats.keep('cluster-password', password)));

  mongodb.keep('keyfile', () => randomBytes(256).toString('base64'));
  mongodb.write('root-password', own.keep('mongodb-root-password', password));
  for (const name of documentServices) {
    const secret = own.keep(`mongodb-${name}-password`, password);
    services.get(name)?.write('mongodb-url', documentUrl(settings, name, secret));
  }

  const operator = new SecretFolder(folder, 'operator', serviceUid);
  const apiKey = operator.keep('api-key', () => `pk_${randomBytes(32).toString('base64url')}`);
  services.get('acl')?.write('first-api-key', apiKey);
  services.get('certstore')?.keep('key-encryption-key', () => randomBytes(32).toString('base64'));
  return `${operator.path}/api-key`;
}

function documentUrl(settings: SetupSettings, service: DocumentService, secret: string): string {
  const { mongodbHosts, mongodbPort, mongodbDatabase, replicaSet } = settings;
  const servers = mongodbHosts.map((host) => `${host}:${mongodbPort}`).join(',');
  const { name } = userOf(service, mongodbDatabase);
  const database = databaseOf(service, mongodbDatabase);
  return `mongodb://${name}:${secret}@${servers}/${database}?replicaSet=${replicaSet}&authSource=${mongodbDatabase}`;
}

/** For the `cluster` block: who may join, and where the others are. A cluster of one has no routes. */
function clusterConfiguration(hosts: readonly string[], secret: string): string {
  const routes = hosts.length < 2 ? [] : hosts.map((host) => `"nats-route://route:${secret}@${host}:6222"`);
  return `authorization { user: "route", password: "${secret}", timeout: 5 }\nroutes: [${routes.join(', ')}]\n`;
}

function password(): string {
  return randomBytes(32).toString('base64url');
}

function newSeed(): string {
  return Buffer.from(nkeys.createUser().getSeed()).toString();
}

function publicKeyOf(seed: string): string {
  return nkeys.fromSeed(Buffer.from(seed.trim())).getPublicKey();
}
