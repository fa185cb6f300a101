// The list of nodes changes again and again while callers come and go: haproxy takes each list without refusing one caller
// or ending one connection.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { Haproxy, program } from '@postern/balancer';
import { findCommand } from '@postern/scripts/install';
import { silentLogger } from '@postern/telemetry';
import { makeScratch, removeScratch, takeLoopbackNet } from '@postern/test-cluster';
import { freePort } from '@postern/test-kit';
import { echoed, until } from './caller.ts';

const changes = 6;
const noHaproxy = findCommand('haproxy') === null ? 'SKIPPED: haproxy is not installed' : false;

test(
  'no caller is refused and no connection ends while the list of nodes changes',
  { skip: noHaproxy },
  async () => {
    const net = await takeLoopbackNet();
    const port = await freePort(net.address(1));
    const nodes = await Promise.all([1, 2, 3].map((n) => startNode(`node-${n}`, net.address(n), port)));
    const state = await makeScratch('haproxy');
    const haproxy = new Haproxy(
      optionsOf(state, net.address(200), port, await freePort(net.address(200))),
      silentLogger,
    );
    const front = { host: net.address(200), port };
    let held: Socket | null = null;
    let callers: Callers | null = null;
    try {
      await haproxy.serve(nodes.slice(0, 2));
      await until('a caller is served', 5_000, () => echoed(front));
      held = await hold(front);
      const running = callWhile(front);
      callers = running;
      for (let change = 1; change <= changes; change += 1) {
        const before = running.served;
        assert.equal(await haproxy.serve(change % 2 === 0 ? nodes.slice(0, 2) : nodes.slice(1)), true);
        await until('callers after the change', 10_000, () => Promise.resolve(running.served > before + 20));
      }
      assert.equal(await haproxy.serve(nodes.slice(0, 2)), false, 'the same list is no change');
      assert.equal(await running.stop(), 0, 'callers that were not served');
      assert.equal(haproxy.reloads, changes);
      await answers(held);
    } finally {
      await callers?.stop();
      held?.destroy();
      await haproxy.stop(200);
      for (const { server } of nodes) server.close();
      net.release();
      removeScratch(state);
    }
  },
);

test(
  'a configuration that haproxy refuses is not used, and what runs goes on',
  { skip: noHaproxy },
  async () => {
    const net = await takeLoopbackNet();
    const port = await freePort(net.address(1));
    const node = await startNode('node-1', net.address(1), port);
    const state = await makeScratch('haproxy');
    const haproxy = new Haproxy(
      optionsOf(state, net.address(200), port, await freePort(net.address(200))),
      silentLogger,
    );
    try {
      await haproxy.serve([node]);
      await until('a caller is served', 5_000, () => echoed({ host: net.address(200), port }));
      await assert.rejects(
        haproxy.serve([
          { name: 'twice', address: '10.0.0.1' },
          { name: 'twice', address: '10.0.0.2' },
        ]),
        {
          code: 'BALANCER_CONFIGURATION_REFUSED',
          message: /backend 'tunnel-twice' has the same name/,
        },
      );
      assert.equal(await echoed({ host: net.address(200), port }), true);
    } finally {
      await haproxy.stop(200);
      node.server.close();
      net.release();
      removeScratch(state);
    }
  },
);

/** All ports of a node that the test has no use for lead nowhere; its fronts are one port. */
function optionsOf(state: string, listenHost: string, port: number, other: number) {
  const flags = { state, 'listen-host': listenHost, 'front-port-first': port, 'front-port-last': port };
  const ports = { 'connect-port': other, 'tunnel-port': other + 1, 'http-port': 0, 'node-ops-port': port };
  const argv = Object.entries({ ...flags, ...ports }).flatMap(([flag, value]) => [
    `--${flag}`,
    String(value),
  ]);
  const resolution = program.resolve(argv, {});
  assert(resolution.kind === 'run');
  return resolution.settings;
}

/** Echoes; a health check of haproxy, which speaks HTTP, is answered too. */
async function startNode(
  name: string,
  address: string,
  port: number,
): Promise<{ name: string; address: string; server: Server }> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      if (chunk.subarray(0, 12).toString() === 'GET /readyz ') socket.end('HTTP/1.0 200 OK\r\n\r\n');
      else socket.write(chunk);
    });
  });
  server.listen(port, address);
  await once(server, 'listening');
  return { name, address, server };
}

async function hold(front: { host: string; port: number }): Promise<Socket> {
  const socket = connect({ ...front, noDelay: true });
  await once(socket, 'connect');
  await answers(socket);
  return socket;
}

async function answers(socket: Socket): Promise<void> {
  const answer = once(socket, 'data', { signal: AbortSignal.timeout(10_000) });
  socket.write('still there?');
  const [chunk] = (await answer) as [Buffer];
  assert.equal(chunk.toString(), 'still there?');
}

type Callers = ReturnType<typeof callWhile>;

/** One caller after the other until it is stopped. */
function callWhile(front: { host: string; port: number }) {
  const counts = { served: 0, failed: 0, stopped: false };
  const ended = (async () => {
    while (!counts.stopped) {
      if (await echoed(front, { withinMs: 10_000 })) counts.served += 1;
      else counts.failed += 1;
    }
  })();
  return {
    get served() {
      return counts.served;
    },
    async stop(): Promise<number> {
      counts.stopped = true;
      await ended;
      return counts.failed;
    },
  };
}
