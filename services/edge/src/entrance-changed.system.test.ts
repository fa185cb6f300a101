import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { FrontRoute } from '@postern/contracts';
import { freePort } from '@postern/test-kit';
import { TestClient } from './fixture/client.ts';
import { frontOf } from './fixture/documents.ts';
import { echoRoute, ended, exchange, until, withWorld } from './fixture/node.ts';

interface ShownFront {
  destinationId: string;
  listening: boolean;
  error: string | null;
  lastRefusals: { text: string }[];
}

test('who began before the TLS of a front was changed is not let in by what it asked for then', async () => {
  await withWorld(
    async (world) => {
      const port = await freePort();
      const { tls } = frontOf();
      const setTls = (change: Partial<FrontRoute['front']['tls']>): void => {
        const front = frontOf({ host: 'a.gw.example', port, tls: { ...tls, mode: 'server', ...change } });
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
      setTls({ mode: 'mutual', clientCaIds: ['none'] });
      await until(() => shown()?.error !== null);
      const caller = connectTls({ socket: early, ...trust });
      caller.on('error', () => {});
      caller.write('hello');
      const served = new Promise((resolve) => caller.once('data', () => resolve('served')));
      assert.equal(await Promise.race([served, ended(caller)]), 'ECONNRESET');
      assert.match(shown()?.lastRefusals[0]?.text ?? '', /TLS of this front was changed/);
      client.close();
    },
    { options: { platformHost: 'gw.example' } },
  );
});
