import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, describe, it } from 'node:test';
import {
  type AccessRule,
  type AccessTarget,
  compileAccessList,
  decideBoth,
  decideResolved,
  fromList,
} from '@postern/access';
import { resetCodeName } from '@postern/tunnel';
import type { ResourceHosts } from './hosts.ts';
import type { ResourceGuard } from './find-resource.ts';
import { type ResourceTarget, dialResource } from './resource-dialer.ts';
import { ResourceError } from './resource-error.ts';

const allowAll: AccessRule = { action: 'allow', host: '*', port: '*' };

/** Names as a test has them. */
const found = (...addresses: string[]): ResourceHosts => ({ resolve: async () => addresses });

/** A system that gives no answer. */
const never: ResourceHosts = {
  resolve: async (_host, signal) => {
    await once(signal, 'abort');
    throw signal.reason;
  },
};

async function listenOn(t: TestContext, host: string): Promise<number> {
  const server = createServer((socket) => socket.destroy());
  server.listen(0, host);
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

function dial(
  target: Partial<ResourceTarget>,
  hosts: ResourceHosts,
  rules: AccessRule[] = [allowAll],
  signal = new AbortController().signal,
  more: Partial<ResourceGuard> = {},
) {
  const list = compileAccessList(rules);
  const guard: ResourceGuard = {
    decide: (one) => decideBoth(list, null, one),
    denialOf: (one, address) => {
      const denial = decideResolved(list, one, address);
      return denial === null ? null : fromList('gateway', denial);
    },
    ...more,
  };
  const end = { name: 'the client', nameRemedy: 'add it by --hosts NAME=ADDRESS' };
  return dialResource(
    { guard, hosts, end, material: async () => [] },
    { host: 'db.corp', port: 1, connectTimeoutSeconds: 5, ...target },
    signal,
  );
}

async function fault(promise: Promise<unknown>): Promise<[string, string]> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert(error instanceof ResourceError, String(error));
  return [resetCodeName(error.reset), error.message];
}

async function breakOff(t: TestContext): Promise<{ code: string; text: string; port: number }> {
  const server = createServer((socket) => void socket.once('data', () => socket.resetAndDestroy()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const { socket, explain } = await dial({ port }, found('127.0.0.1'));
  socket.write('x');
  const [error] = (await once(socket.resume(), 'error')) as [NodeJS.ErrnoException];
  const { code, text } = explain(error);
  return { code: resetCodeName(code), text, port };
}

/** When TCP will ask whether the other end is still there, as the kernel has it, to ten seconds; null for never. */
function keepAliveTimerOf({ localPort, remotePort }: Socket): number | null {
  // Others may have the same port at one end.
  const [local, remote] = [localPort, remotePort].map(
    (port = 0) => `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`,
  );
  const row = readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find((columns) => columns[1] === local && columns[2] === remote);
  assert.ok(row, `${local} ${remote} is not there`);
  const [kind, hundredths = ''] = row[5]?.split(':') ?? [];
  return kind === '02' ? Math.round(Number.parseInt(hundredths, 16) / 1_000) * 10 : null;
}

describe('resource dialer', () => {
  it('tries every address of a name in turn', async (t) => {
    const port = await listenOn(t, '127.0.0.3');
    const { socket } = await dial({ port }, found('127.0.0.2', '127.0.0.3'));
    assert.equal(socket.remoteAddress, '127.0.0.3');
    socket.destroy();
  });

  it('passes over addresses that are denied, and says so when none is left', async (t) => {
    const port = await listenOn(t, '0.0.0.0');
    const deny: AccessRule = { action: 'deny', host: '127.0.0.2', port: '*' };
    const { socket } = await dial({ port }, found('127.0.0.2', '127.0.0.3'), [allowAll, deny]);
    assert.equal(socket.remoteAddress, '127.0.0.3');
    socket.destroy();
    const [code, text] = await fault(dial({ port }, found('127.0.0.2'), [allowAll, deny]));
    assert.equal(code, 'Denied');
    assert.match(text, /deny 127\.0\.0\.2/);
  });

  it('dials the address that the destination gives for a name, unless this end has one of its own or may not be sent there', async (t) => {
    const port = await listenOn(t, '0.0.0.0');
    const hosts = { 'other.corp': '127.0.0.4', 'DB.corp.': '127.0.0.3' };
    const none: ResourceHosts = { resolve: () => assert.fail('it was resolved') };
    const { socket } = await dial({ port, hosts }, none);
    assert.equal(socket.remoteAddress, '127.0.0.3');
    socket.destroy();
    const own = await dial({ port, hosts }, { ...found('127.0.0.2'), knows: () => '127.0.0.2' });
    assert.equal(own.socket.remoteAddress, '127.0.0.2');
    own.socket.destroy();

    const denial = decideBoth(compileAccessList([]), null, { host: 'db.corp', port });
    const given = { denialOfGiven: ({ host }: AccessTarget) => (host === '127.0.0.3' ? denial : null) };
    const asked = dial({ port, hosts }, none, [allowAll], undefined, given);
    assert.equal((await fault(asked))[0], 'Denied');
    const found3 = await dial({ port, hosts: {} }, found('127.0.0.3'), [allowAll], undefined, given);
    found3.socket.destroy();
  });

  it('never resolves a name that is denied', async () => {
    const hosts: ResourceHosts = { resolve: () => assert.fail('it was resolved') };
    assert.equal((await fault(dial({}, hosts, [])))[0], 'Denied');
  });

  it('tells the faults of all addresses', async () => {
    const [code, text] = await fault(dial({}, found('127.0.0.2', '127.0.0.3')));
    assert.equal(code, 'Refused');
    assert.match(text, /127\.0\.0\.2.*127\.0\.0\.3/);
  });

  it('gives up a name that is not resolved in time', async () => {
    const [code, text] = await fault(dial({ connectTimeoutSeconds: 0.01 }, never));
    assert.equal(code, 'NotResolved');
    assert.match(text, /within/);
  });

  it('does not lay it to DNS that this process may have no more files open', async () => {
    const full: ResourceHosts = {
      resolve: () =>
        Promise.reject(Object.assign(new Error('getaddrinfo EMFILE db.corp'), { code: 'EMFILE' })),
    };
    const [code, text] = await fault(dial({}, full));
    assert.equal(code, 'Limit');
    assert.equal(
      text,
      'the client has no file descriptors left (EMFILE): raise its limit (ulimit -n, LimitNOFILE)',
    );
  });

  it('names the resource that breaks off, and where to look', async (t) => {
    const { code, text, port } = await breakOff(t);
    assert.equal(code, 'Cancelled');
    assert.equal(
      text,
      `db.corp:${port} reset the connection (ECONNRESET): its log, or a firewall's, has the cause`,
    );
  });

  it('says so when a name has no address', async () => {
    assert.equal((await fault(dial({}, found())))[0], 'NotResolved');
  });

  const noTimers = existsSync('/proc/net/tcp') ? false : 'the system does not show the timers of TCP';
  it('has TCP ask after the silence that the destination says, or never', { skip: noTimers }, async (t) => {
    const server = createServer(() => {}).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    for (const isTrial of [false, true]) {
      const timers: (number | null)[] = [];
      for (const keepAliveSeconds of [0, 600, undefined]) {
        const { socket } = await dial({ port, keepAliveSeconds, isTrial }, found('127.0.0.1'));
        timers.push(keepAliveTimerOf(socket));
        socket.destroy();
      }
      assert.deepEqual(timers, [null, 600, 60], `trial: ${isTrial}`);
    }
  });

  it('ends when the stream has gone', async () => {
    const abort = new AbortController();
    const dialled = dial({}, never, [allowAll], abort.signal);
    abort.abort(new Error('gone'));
    await assert.rejects(dialled, /gone/);
  });
});
