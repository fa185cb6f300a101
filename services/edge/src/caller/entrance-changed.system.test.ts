import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { queryObjects } from 'node:v8';
import type { FrontRoute } from '@postern/contracts';
import { freePort } from '@postern/test-kit';
import { TlsAcceptor } from '@postern/tls/accept';
import { TestClient } from '../fixture/client.ts';
import { frontOf } from '../fixture/documents.ts';
import { echoRoute, ended, exchange, until, withWorld } from '../fixture/node.ts';

interface ShownFront {
  destinationId: string;
  listening: boolean;
  error: string | null;
  lastRefusals: { text: string }[];
}

type Tls = FrontRoute['front']['tls'];

/** A caller begins, the front's TLS is changed, and the caller makes its handshake. */
async function servedAcross(change: Partial<Tls>): Promise<{ end: unknown; refusal: string }> {
  const found = { end: null as unknown, refusal: '' };
  await withWorld(
    async (world) => {
      const port = await freePort();
      const setTls = (tls: Partial<Tls>): void => {
        const front = frontOf({
          host: 'a.gw.example',
          port,
          tls: { ...frontOf().tls, mode: 'server', ...tls },
        });
        world.platform.setRoute(echoRoute(0, world.echo.port, { id: 'd9', front }));
      };
      const shown = (): ShownFront | undefined =>
        (world.edge.status() as { fronts: { shown: ShownFront[] } }).fronts.shown.find(
          (one) => one.destinationId === 'd9',
        );
      setTls({});
      await until(() => shown()?.listening === true);
      const client = new TestClient(world.platform);
      await client.connect(world.edge.ports.tunnel);
      const early = world.call(port);
      await once(early, 'connect');
      const trust = { servername: 'a.gw.example', rejectUnauthorized: false };
      const other = connectTls({ host: '127.0.0.1', port, ...trust });
      await once(other, 'secureConnect');
      // The edge takes connections in their order: the early one has begun.
      assert.equal(await exchange(other, 'hello'), 'hello');
      setTls(change);
      await until(() => shown()?.error !== null);
      const caller = connectTls({ socket: early, ...trust });
      caller.on('error', () => {});
      caller.write('hello');
      const served = new Promise((resolve) => caller.once('data', () => resolve('served')));
      found.end = await Promise.race([served, ended(caller)]);
      found.refusal = shown()?.lastRefusals[0]?.text ?? '';
      client.close();
    },
    { options: { platformHost: 'gw.example' } },
  );
  return found;
}

// The first of this file: what an earlier one made may be garbage that is not yet collected when it is counted.
test('who speaks only after the destination was deleted gets no handshake, and nothing is made or kept for it', async () => {
  await withWorld(
    async (world) => {
      const acceptors = (): number => queryObjects(TlsAcceptor, { format: 'count' });
      const before = acceptors();
      const listening = (): boolean =>
        (world.edge.status() as { fronts: { shown: ShownFront[] } }).fronts.shown.some(
          (one) => one.destinationId === 'd9' && one.listening,
        );
      const port = await freePort();
      const tls: Tls = { ...frontOf().tls, mode: 'server' };
      const front = frontOf({ host: 'a.gw.example', port, tls });
      world.platform.setRoute(echoRoute(0, world.echo.port, { id: 'd9', front }));
      await until(listening);
      const early = world.call(port);
      await once(early, 'connect');
      const other = world.call(port);
      await once(other, 'connect');
      // The edge takes connections in their order: when it has answered this one, the early one has begun.
      other.write('GET / HTTP/1.1\r\n\r\n');
      await ended(other);
      world.platform.deleteRoute('d9');
      await until(() => !listening());
      const caller = connectTls({ socket: early, servername: 'a.gw.example', rejectUnauthorized: false });
      let handshakes = 0;
      caller.on('secureConnect', () => (handshakes += 1));
      await ended(caller);
      assert.equal(handshakes, 0);
      assert.equal(acceptors(), before);
    },
    { options: { platformHost: 'gw.example' } },
  );
});

test('who began before the TLS of a front was changed is not let in by what it asked for then', async () => {
  const { end, refusal } = await servedAcross({ mode: 'mutual', clientCaIds: ['none'] });
  assert.equal(end, 'ECONNRESET');
  assert.match(refusal, /TLS of this front was changed/);
});

test('who began before a front was given another certificate is served', async () => {
  assert.equal((await servedAcross({ certificateId: 'another' })).end, 'served');
});
