/** A NATS server as it should be run: mutual TLS, a user for each service with subjects of its own. And one that falls silent. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { nkeys } from '@nats-io/transport-node';
import { connectNats, type NatsOptions } from '@postern/bus';
import { tool } from '@postern/scripts/install';
import { CuttableProxy, makeScratch, Part, removeScratch } from '@postern/test-cluster';
import { freePort } from '@postern/test-kit';
import {
  type Authority,
  createAuthority,
  createSigningRequest,
  generateKey,
  loadAuthority,
} from '@postern/tls';

const deadlineMs = 5_000;

let folder: string;
let port: number;
let server: Part;
let edgeKey: string;
let ca: Authority;
const file = (name: string): string => join(folder, name);

before(async () => {
  folder = await makeScratch('nats-security');
  port = await freePort('127.0.0.1');
  const authority = await createAuthority({ commonName: 'bus CA' });
  await writeFile(file('ca.pem'), authority.certificatePem);
  await writeFile(file('other-ca.pem'), (await createAuthority({ commonName: 'another CA' })).certificatePem);
  ca = loadAuthority(authority);
  for (const name of ['server', 'service']) await certify(name, new Date(Date.now() + 3_600_000));
  const user = nkeys.createUser();
  await writeFile(file('edge.seed'), `${Buffer.from(user.getSeed()).toString()}\n`);
  edgeKey = user.getPublicKey();
  await writeFile(file('nats.conf'), configuration());
  server = new Part({
    name: 'nats',
    command: tool('nats-server'),
    args: ['--config', file('nats.conf')],
    folder,
    logFile: file('nats.log'),
    ready: { line: /Server is ready/ },
  });
  await server.start();
});

after(async () => {
  await server.stop();
  removeScratch(folder);
});

it('connects with a certificate and a user or an NKey, and they reach each other', async () => {
  const [acl, edge] = [await connectNats(aclOptions()), await connectNats(edgeOptions())];
  acl.serve('acl.ask', async () => 'answer', { queue: 'acl' });
  await acl.flush(deadlineMs);
  assert.equal(await edge.request('acl.ask', {}, { deadlineMs }), 'answer');
  await Promise.all([acl.close(), edge.close()]);
});

it('rejects with BUS_DENIED at once for a wrong password or none, although it would wait for a server', async () => {
  const { user: _user, ...nobody } = aclOptions();
  await assert.rejects(connectNats(nobody), { code: 'BUS_DENIED' });
  const wrong = { name: 'acl', password: () => 'wrong' };
  await assert.rejects(connectNats({ ...aclOptions(), user: wrong }), { code: 'BUS_DENIED' });
});

it('does not talk to a server of another CA, nor without a certificate to one that asks for it', async () => {
  const once = { ...aclOptions(), signal: AbortSignal.abort() };
  await assert.rejects(connectNats({ ...once, tls: { ...once.tls, caFile: file('other-ca.pem') } }), {
    code: 'BUS_UNREACHABLE',
  });
  await assert.rejects(connectNats({ ...once, tls: { caFile: file('ca.pem') } }), {
    code: 'BUS_UNREACHABLE',
  });
});

it('rejects a question on a subject that is not allowed with BUS_DENIED, and tells of such announcements and subscriptions', async () => {
  const errors = new EventEmitter();
  const edge = await connectNats({ ...edgeOptions(), onError: (error) => errors.emit('denied', error) });
  await assert.rejects(edge.request('certstore.secret', {}, { deadlineMs }), { code: 'BUS_DENIED' });
  for (const act of [
    () => edge.publish('certstore.secret', 1),
    () => edge.subscribe('certstore.>', () => {}),
  ]) {
    const denied = once(errors, 'denied');
    act();
    const [error] = await denied;
    assert.equal((error as { code: string }).code, 'BUS_DENIED');
  }
  assert.equal(edge.connected, true);
  await edge.close();
});

it(
  'hears and answers again, without a new connection, when rights that the server took away are given back',
  { timeout: 30_000 },
  async () => {
    const events = new EventEmitter();
    const acl = await connectNats({ ...aclOptions(), onError: (error) => events.emit('denied', error) });
    const edge = await connectNats(edgeOptions());
    const changes: boolean[] = [];
    acl.onConnection((connected) => changes.push(connected));
    acl.serve('acl.ask', async () => 'answer', { queue: 'acl' });
    acl.subscribe('acl.note', () => events.emit('heard'));
    await acl.flush(deadlineMs);
    const denied = [once(events, 'denied'), once(events, 'denied')];
    await giveRights(['nothing']);
    for (const [error] of await Promise.all(denied))
      assert.equal((error as { code: string }).code, 'BUS_DENIED');
    await assert.rejects(edge.request('acl.ask', {}, { deadlineMs }), { code: 'BUS_NO_RESPONDER' });
    await giveRights();
    const heard = once(events, 'heard');
    const notes = setInterval(() => edge.publish('acl.note', {}), 100);
    await heard;
    clearInterval(notes);
    assert.equal(await edge.request('acl.ask', {}, { deadlineMs }), 'answer');
    assert.deepEqual(changes, []);
    await Promise.all([acl.close(), edge.close()]);
  },
);

it(
  'notices a server that falls silent, without an end of the connection, and is back when it speaks',
  { timeout: 30_000 },
  async () => {
    const proxy = await CuttableProxy.listen({ host: '127.0.0.1', port });
    const bus = await connectNats({
      ...aclOptions(),
      servers: `tls://localhost:${proxy.port}`,
      onError: () => {},
    });
    const changes = new EventEmitter();
    bus.onConnection((connected) => changes.emit(String(connected)));
    const lost = once(changes, 'false');
    proxy.blackHole();
    const asked = assert.rejects(bus.request('acl.ask', {}, { deadlineMs: 25_000 }), {
      code: 'BUS_DISCONNECTED',
    });
    await lost;
    await asked;
    const back = once(changes, 'true');
    proxy.resume();
    await back;
    await bus.close();
    await proxy.close();
  },
);

it(
  'tells why it finds no server again whose certificate has ended, and is back when that was replaced',
  { timeout: 30_000 },
  async () => {
    const events = new EventEmitter();
    const bus = await connectNats({ ...aclOptions(), onError: (error) => events.emit('told', error) });
    bus.onConnection((connected) => events.emit(String(connected)));
    await certify('server', new Date(Date.now() - 1_000));
    const told = once(events, 'told');
    await server.restart();
    const [error] = await told;
    assert.equal((error as { code: string }).code, 'BUS_UNREACHABLE');
    assert.match(String(error), /certificate has expired/);
    const back = once(events, 'true');
    await certify('server', new Date(Date.now() + 3_600_000));
    await server.restart();
    await back;
    await bus.close();
  },
);

it('tells once of credentials that are refused, however often it tries', { timeout: 30_000 }, async () => {
  const events = new EventEmitter();
  const told: string[] = [];
  let password = 'correct horse';
  const bus = await connectNats({
    ...aclOptions(),
    user: {
      name: 'acl',
      password: () => {
        events.emit('tried');
        return password;
      },
    },
    onError: (error) => {
      told.push(String(error));
      events.emit('told');
    },
  });
  bus.onConnection((connected) => events.emit(String(connected)));
  password = 'wrong';
  const refused = once(events, 'told');
  await server.restart();
  await refused;
  for (let more = 4; more > 0; more -= 1) await once(events, 'tried');
  const back = once(events, 'true');
  password = 'correct horse';
  await back;
  // The driver has told then how often it was lost and found.
  await bus.flush(deadlineMs);
  assert.equal(bus.stats.reconnects, 1);
  assert.equal(told.filter((text) => text.includes('connection: Authorization')).length, 1, told.join());
  await bus.close();
});

/** A new pair for a program, until then. */
async function certify(name: string, notAfter: Date): Promise<void> {
  const keyPem = await generateKey();
  const csrPem = await createSigningRequest({ keyPem, commonName: name, names: ['localhost'] });
  await writeFile(
    file(`${name}.pem`),
    await ca.issue({ csrPem, names: ['localhost'], usage: 'both', notAfter }),
  );
  await writeFile(file(`${name}.key`), keyPem);
}

async function giveRights(heard?: string[]): Promise<void> {
  await writeFile(file('nats.conf'), configuration(heard));
  server.kill('SIGHUP');
}

function aclOptions(): NatsOptions {
  return {
    ...common(),
    name: 'acl',
    user: { name: 'acl', password: () => 'correct horse' },
  };
}

function edgeOptions(): NatsOptions {
  return { ...common(), name: 'edge', nkeySeedFile: file('edge.seed') };
}

function common(): Pick<NatsOptions, 'servers' | 'tls' | 'onError'> {
  const tls = { caFile: file('ca.pem'), certFile: file('service.pem'), keyFile: file('service.key') };
  return { servers: `tls://localhost:${port}`, tls, onError: () => {} };
}

/** `heard` is what acl may hear. */
function configuration(heard = ['acl.>', '_INBOX_acl.>']): string {
  const rights = (publish: string[], subscribe: string[]): string =>
    `permissions: { publish: ${JSON.stringify(publish)}, subscribe: ${JSON.stringify(subscribe)} }`;
  return `
listen: "127.0.0.1:${port}"
tls { cert_file: "${file('server.pem')}", key_file: "${file('server.key')}", ca_file: "${file('ca.pem')}", verify: true }
authorization { users: [
  { user: acl, password: "correct horse", ${rights(['acl.>', '_INBOX_edge.>'], heard)} }
  { nkey: ${edgeKey}, ${rights(['acl.>', 'presence.>'], ['presence.>', '_INBOX_edge.>'])} }
] }
`;
}
