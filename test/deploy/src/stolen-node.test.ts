// A node was stolen: what its seed and its certificate are good for, where nodes have users of their own, and how it is
// thrown out (docs/operations/stolen.md).

import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { type NatsConnection, connect, nkeyAuthenticator } from '@nats-io/transport-node';
import { makeSecrets, program } from '@postern/setup';
import { type Cluster, bootCluster } from '@postern/test-cluster';
import { until } from '@postern/test-kit';
import { createSigningRequest, generateKey } from '@postern/tls';
import { MongoClient } from 'mongodb';

const nodes = ['edge-1', 'edge-2'];
const issue = 'certstore.node-certificate.issue';

let cluster: Cluster;
let secrets: string;
/** NATS's configuration. */
let home: string;
let thief: NatsConnection;
let stolen: { keyPem: string; chainPem: string; caPem: string };

before(async () => {
  cluster = await bootCluster({
    beforeServices: async (booting) => {
      secrets = join(booting.state, 'secrets');
      home = join(booting.state, 'logs', 'nats-1');
      await makeRights();
      const file = join(home, 'nats.conf');
      await writeFile(file, `${await readFile(file, 'utf8')}include "rights.conf"\n`);
      await booting.part('nats-1').restart();
    },
    nodeEnvironment: ({ name }) => ({ POSTERN_NATS_SEED_FILE: join(secrets, 'nodes', name, 'nats.seed') }),
  });
  thief = await enterAs('edge-2');
});
after(async () => {
  await thief.close();
  await cluster.stop();
});

/** What the set-up makes; whoever has no seed is the harness or one of the owners here. */
async function makeRights(): Promise<void> {
  const resolution = program.resolve(['secrets', '--folder', secrets, '--nodes', nodes.join(',')], {});
  assert(resolution.kind === 'run');
  await makeSecrets(resolution.settings);
  const made = await readFile(join(secrets, 'nats', 'authorization.conf'), 'utf8');
  const harness = 'users: [\n    { user: "harness", password: "harness" }';
  const rights = `${made.replace('users: [', harness)}no_auth_user: harness\n`;
  await writeFile(join(home, 'rights.conf'), rights);
}

async function enterAs(node: string): Promise<NatsConnection> {
  return enterWith(await readFile(join(secrets, 'nodes', node, 'nats.seed'), 'utf8'), node);
}

function enterWith(seed: string, node: string): Promise<NatsConnection> {
  return connect({
    servers: cluster.busUrl.replace('nats://', ''),
    authenticator: nkeyAuthenticator(Buffer.from(seed.trim())),
    inboxPrefix: `_INBOX_postern-edge.${node}`,
    reconnect: false,
  });
}

interface Beat {
  node: string;
  bootId: string;
  address: object;
}

async function beatOf(node: string): Promise<Beat> {
  const beats = thief.subscribe('presence.beat');
  for await (const message of beats) {
    const beat = message.json<Beat>();
    if (beat.node === node) return beat;
  }
  throw new Error('the bus is gone');
}

async function names(): Promise<string[]> {
  return (await cluster.admin.nodes()).filter(({ heard }) => heard).map(({ name }) => name);
}

test('nodes with users of their own are up, know each other and have identities', async () => {
  assert.deepEqual(await names(), nodes);
  const keyPem = await generateKey();
  const csrPem = await createSigningRequest({ keyPem, commonName: 'edge-2', names: [] });
  const certify = async (name: string): Promise<{ ok?: { chainPem: string; caPem: string } }> =>
    (
      await thief.request(`${issue}.edge-2`, JSON.stringify({ csrPem, holder: { kind: 'node', name } }), {
        timeout: 5_000,
      })
    ).json();
  assert.equal((await certify('edge-1')).ok, undefined);
  const { ok } = await certify('edge-2');
  assert(ok !== undefined);
  stolen = { keyPem, ...ok };
  assert.equal(await dialLink('edge-1'), 'secure');
});

test('who has a node’s seed can neither say goodbye for another nor make up a node', async () => {
  const real = await beatOf('edge-1');
  thief.publish('presence.beat', JSON.stringify({ ...real, goodbye: true }));
  const madeUp = { ...real, node: 'edge-9', bootId: 'made-up', address: { ...real.address, node: 'edge-9' } };
  thief.publish('presence.beat', JSON.stringify(madeUp));
  thief.publish('presence.beat', JSON.stringify({ ...real, bootId: 'another' }));
  await thief.flush();
  // The next beats of both have come by then, and all questions about the forged ones are answered.
  for (const node of nodes) await beatOf(node);
  assert.deepEqual(await names(), nodes);
});

test('another seed throws it off the bus, and another cluster CA off the links', async () => {
  const seedFile = join(secrets, 'nodes', 'edge-2', 'nats.seed');
  const seed = await readFile(seedFile, 'utf8');
  await rm(seedFile);
  await makeRights();
  await cluster.part('nats-1').restart();
  await thief.closed();
  await assert.rejects(enterWith(seed, 'edge-2'), /Authorization/i);
  // Its certificate is good for as long as it lasts.
  assert.equal(await dialLink('edge-1'), 'secure');

  const { url, database } = cluster.documents;
  await using documents = await MongoClient.connect(url);
  const { deletedCount } = await documents
    .db(database)
    .collection<{ _id: string }>('certstore_authorities')
    .deleteOne({ _id: 'cluster' });
  assert.equal(deletedCount, 1);
  for (const part of ['certstore', ...nodes]) await cluster.restart(part);
  assert.notEqual(await dialLink('edge-1'), 'secure');
  thief = await enterAs('edge-2');
  await until(names, ({ length }) => length === nodes.length);
});

/** As whoever has the certificate opens a link: what came of it. */
function dialLink(node: string): Promise<string> {
  const place = cluster.layout.edges.find(({ name }) => name === node);
  assert(place !== undefined);
  const { keyPem: key, chainPem: cert } = stolen;
  return new Promise((resolve) => {
    const socket = connectTls({
      host: place.address,
      port: cluster.layout.linkPort,
      key,
      cert,
      rejectUnauthorized: false,
    });
    // In TLS 1.3 a server that refuses the certificate says so after the handshake; one that takes it says HELLO.
    socket.once('data', () => {
      resolve('secure');
      socket.destroy();
    });
    socket.once('error', ({ message }) => resolve(message));
    socket.once('close', () => resolve('closed'));
  });
}
