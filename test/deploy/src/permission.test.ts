// Each service enters the bus with the seed that the set-up made for it, and may do its own work there and nothing else.

import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect, nkeyAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { type Bus, connectNats } from '@postern/bus';
import { type BusService, busServices, makeSecrets, program } from '@postern/setup';
import { tool } from '@postern/scripts/install';
import { Part, makeScratch, removeScratch } from '@postern/test-cluster';
import { freePort } from '@postern/test-kit';

let folder: string;
let server: Part;
let url: string;
const buses = new Map<BusService, Bus>();
const denied: string[] = [];

before(async () => {
  folder = await makeScratch('permission');
  const resolution = program.resolve(['secrets', '--folder', folder, '--nats-hosts', 'localhost'], {});
  assert(resolution.kind === 'run');
  await makeSecrets(resolution.settings);
  await makeSecrets(resolution.settings);
  const port = await freePort('127.0.0.1');
  url = `tls://localhost:${port}`;
  const file = join(folder, 'nats', 'nats.conf');
  const tls = `tls { cert_file: "${folder}/nats/certificate.pem", key_file: "${folder}/nats/key.pem" }`;
  await writeFile(file, `listen: "127.0.0.1:${port}"\n${tls}\ninclude "./authorization.conf"\n`);
  server = new Part({
    name: 'nats',
    command: tool('nats-server'),
    args: ['--config', file],
    logFile: join(folder, 'nats.log'),
    ready: { line: /Server is ready/ },
  });
  await server.start();
  for (const service of busServices) buses.set(service, await enter(service));
});
after(async () => {
  for (const bus of buses.values()) await bus.close();
  await server.stop();
  removeScratch(folder);
});

function enter(service: BusService): Promise<Bus> {
  return connectNats({
    servers: url,
    name: `postern-${service}`,
    nkeySeedFile: join(folder, service, 'nats.seed'),
    tls: { caFile: join(folder, service === 'setup' ? 'setup' : service, 'ca.pem') },
    onError: (error) => denied.push(`${service}: ${String(error)}`),
  });
}

/** As whoever took the seed enters: with a driver that sends what he likes. */
async function enterBare(service: BusService): Promise<NatsConnection> {
  const seed = (await readFile(join(folder, service, 'nats.seed'), 'utf8')).trim();
  return connect({
    servers: url,
    authenticator: nkeyAuthenticator(Buffer.from(seed)),
    inboxPrefix: `_INBOX_postern-${service}`,
    tls: { caFile: join(folder, service, 'ca.pem') },
  });
}

function bus(service: BusService): Bus {
  const found = buses.get(service);
  assert(found !== undefined);
  return found;
}

test('a question reaches its owner, and the answer who asked', async () => {
  const serving = bus('acl').serve('acl.session.open', () => Promise.resolve('opened'));
  await bus('acl').flush(5_000);
  assert.equal(await bus('edge').request('acl.session.open', {}, { deadlineMs: 5_000 }), 'opened');
  serving.close();
});

for (const [service, subject] of [
  ['edge', 'acl.api-keys.create'],
  ['edge', 'router.gateways.create'],
  ['edge', 'router.routes.beat'],
  ['edge', 'edge.client.end'],
  ['router', 'acl.tokens.create'],
  ['router', 'acl.session.open'],
  ['acl', 'router.gateways.delete'],
  ['acl', 'presence.beat'],
  ['certstore', 'acl.api-keys.create'],
  ['admin', 'acl.session.open'],
  ['admin', 'presence.tunnel'],
  ['admin', 'router.routes.beat'],
  ['admin', 'certstore.node-certificate.issue'],
  ['setup', 'acl.api-keys.create'],
] as const) {
  test(`${service} may not ask ${subject}`, async () => {
    await assert.rejects(bus(service).request(subject, {}, { deadlineMs: 2_000 }), { code: 'BUS_DENIED' });
  });
}

for (const [service, subject] of [
  ['edge', 'acl.session.open'],
  ['edge', '>'],
  ['edge', '_INBOX_postern-acl.>'],
  ['router', 'acl.>'],
  ['acl', 'certstore.>'],
  ['admin', 'acl.session.open'],
] as const) {
  test(`${service} may not hear ${subject}`, async () => {
    const before = denied.length;
    const subscription = bus(service).subscribe(subject, () => assert.fail('heard'));
    await bus(service).flush(5_000);
    for (let turn = 0; turn < 200 && denied.length === before; turn += 1) await new Promise(setImmediate);
    assert(
      denied.slice(before).some((words) => words.startsWith(`${service}: `)),
      'it was not denied',
    );
    subscription.close();
  });
}

test('whoever has a seed cannot make himself a right by the reply of a message that he hears again', async () => {
  const heard: unknown[] = [];
  const owner = bus('acl').subscribe('acl.api-keys.create', (body) => heard.push(body));
  await bus('acl').flush(5_000);
  const edge = await enterBare('edge');
  const echo = edge.subscribe('presence.beat', { max: 1 });
  edge.publish('presence.beat', '{}', { reply: 'acl.api-keys.create' });
  for await (const _ of echo) break;
  edge.publish('acl.api-keys.create', '{"role":"admin"}');
  await edge.flush();
  await bus('acl').flush(5_000);
  assert.deepEqual(heard, []);
  owner.close();
  await edge.close();
});

test('who was asked cannot tell where the next replies will be awaited', async (t) => {
  const acl = await enterBare('acl');
  const replies = new Set<string | undefined>();
  acl.subscribe('acl.session.open', {
    callback: (_error, message) => {
      replies.add(message.reply);
      message.respond('"opened"');
    },
  });
  await acl.flush();
  t.mock.method(Math, 'random', () => 0.5);
  for (let turn = 0; turn < 2; turn += 1)
    await bus('edge').request('acl.session.open', {}, { deadlineMs: 5_000 });
  assert.equal(replies.size, 2);
  await acl.close();
});

const theNodes = ['edge-1', 'edge-2'];

/** The servers read who may do what anew. */
async function reload(nodes: readonly string[]): Promise<void> {
  const args = ['secrets', '--folder', folder, '--nats-hosts', 'localhost', '--nodes', nodes.join(',')];
  const resolution = program.resolve(args, {});
  assert(resolution.kind === 'run');
  await makeSecrets(resolution.settings);
  await server.restart();
}

function enterAsNode(node: string, told: EventEmitter): Promise<Bus> {
  return connectNats({
    servers: url,
    name: 'postern-edge',
    instance: node,
    nkeySeedFile: join(folder, 'nodes', node, 'nats.seed'),
    tls: { caFile: join(folder, 'nodes', node, 'ca.pem') },
    onError: (error) => told.emit('told', error),
  });
}

test('a node with a user of its own does what a node does, and nothing in the name of another', async () => {
  await reload(theNodes);
  const told = new EventEmitter();
  const [one, two] = [await enterAsNode('edge-1', told), await enterAsNode('edge-2', told)];
  const deadlineMs = 5_000;
  const issue = 'certstore.node-certificate.issue';
  const serving = [
    one.serve('presence.snapshot.edge-1', () => Promise.resolve('of edge-1')),
    one.serve('edge.catch-up.edge-1', () => Promise.resolve('fetched')),
    one.serve('edge.tunnels.list.edge-1', () => Promise.resolve('listed')),
    bus('certstore').serve(`${issue}.*`, (_body, subject) => Promise.resolve(subject), { queue: 'q' }),
  ];
  await Promise.all([one.flush(deadlineMs), bus('certstore').flush(deadlineMs)]);
  assert.equal(await two.request('presence.snapshot.edge-1', {}, { deadlineMs }), 'of edge-1');
  assert.equal(await bus('router').request('edge.tunnels.list.edge-1', {}, { deadlineMs }), 'listed');
  assert.equal(await bus('admin').request('edge.catch-up.edge-1', {}, { deadlineMs }), 'fetched');
  assert.equal(await one.request(`${issue}.edge-1`, {}, { deadlineMs }), `${issue}.edge-1`);
  for (const subject of [issue, `${issue}.edge-2`, 'edge.catch-up.edge-2', 'edge.client.end'])
    await assert.rejects(one.request(subject, {}, { deadlineMs }), { code: 'BUS_DENIED' }, subject);
  for (const subject of [
    'presence.snapshot.edge-2',
    'presence.snapshot.made-up',
    'edge.catch-up.edge-2',
    'edge.>',
    '_INBOX_postern-edge.>',
    '_INBOX_postern-edge.edge-2.>',
  ]) {
    const denied = once(told, 'told');
    const forged = two.subscribe(subject.replaceAll('edge-2', 'edge-1'), () => assert.fail('heard'));
    const [error] = await denied;
    assert.equal((error as { code: string }).code, 'BUS_DENIED', subject);
    forged.close();
  }
  for (const one of serving) one.close();
  await Promise.all([one.close(), two.close()]);
});

test('a node is thrown off the bus by another seed, and the others stay on it', async () => {
  await reload(theNodes);
  const told = new EventEmitter();
  const [thrown, stays] = [
    await enterAsNode('edge-1', new EventEmitter()),
    await enterAsNode('edge-2', told),
  ];
  const stolen = await readFile(join(folder, 'nodes', 'edge-1', 'nats.seed'));
  const lost = once(whenLost(thrown), 'lost');
  await rm(join(folder, 'nodes', 'edge-1', 'nats.seed'));
  await reload(theNodes);
  await lost;
  const kept = join(folder, 'stolen.seed');
  await writeFile(kept, stolen);
  const tls = { caFile: join(folder, 'nodes', 'edge-1', 'ca.pem') };
  const thief = { servers: url, name: 'postern-edge', instance: 'edge-1', nkeySeedFile: kept, tls };
  await assert.rejects(connectNats(thief), { code: 'BUS_DENIED' });
  const again = await enterAsNode('edge-1', told);
  const serving = again.serve('presence.snapshot.edge-1', () => Promise.resolve('anew'));
  await again.flush(5_000);
  assert.equal(await stays.request('presence.snapshot.edge-1', {}, { deadlineMs: 20_000 }), 'anew');
  serving.close();
  await Promise.all([thrown.close(), stays.close(), again.close()]);
});

function whenLost(one: Bus): EventEmitter {
  const events = new EventEmitter();
  one.onConnection((connected) => events.emit(connected ? 'back' : 'lost'));
  return events;
}

test('the user that nodes share is there until its seed is removed, and is made for nobody who names nodes', async () => {
  const rights = (): Promise<string> => readFile(join(folder, 'nats', 'authorization.conf'), 'utf8');
  await reload(theNodes);
  assert.match(await rights(), /# edge\n/);
  await rm(join(folder, 'edge', 'nats.seed'));
  await reload(theNodes);
  assert.doesNotMatch(await rights(), /# edge\n/);
  assert.match(await rights(), /# edge-1\n/);
});

test('nobody enters without a seed', async () => {
  await assert.rejects(
    connectNats({
      servers: url,
      name: 'stranger',
      tls: { caFile: join(folder, 'router', 'ca.pem') },
    }),
    { code: 'BUS_DENIED' },
  );
});
