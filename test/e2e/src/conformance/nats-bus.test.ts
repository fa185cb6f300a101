/** The bus' conformance suite against a real NATS server, which is killed and started again where it asks for that. */
import assert from 'node:assert/strict';
import { once, EventEmitter } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connectNats, type Bus } from '@postern/bus';
import { testBus, type BusPlace } from '@postern/bus/conformance';
import { tool } from '@postern/scripts/install';
import { makeScratch, type NatsServer, Part, removeScratch, startNats } from '@postern/test-cluster';
import { freePort } from '@postern/test-kit';

let folder: string;
let server: NatsServer;

before(async () => {
  folder = await makeScratch('conformance-nats');
  [server] = (await startNats(folder, ['127.0.0.1'])) as [NatsServer];
});

after(async () => {
  await server.part.stop();
  removeScratch(folder);
});

testBus('NATS', async (): Promise<BusPlace> => {
  const buses: Bus[] = [];
  return {
    connect: async (options) => {
      const bus = await connectNats({
        servers: server.url,
        name: 'conformance',
        onError: () => {},
        ...options,
      });
      buses.push(bus);
      return bus;
    },
    interrupt: async () => {
      const noticed = buses.map((bus) => until(bus, false));
      server.part.kill('SIGKILL');
      await server.part.exited;
      await Promise.all(noticed);
    },
    resume: async () => {
      const noticed = buses.map((bus) => until(bus, true));
      await server.part.start();
      await Promise.all(noticed);
    },
    close: async () => {},
  };
});

describe('NATS', () => {
  it('rejects with BUS_UNREACHABLE after one try when its signal has ended the waiting before', async () => {
    const servers = `nats://127.0.0.1:${await freePort('127.0.0.1')}`;
    const errors: unknown[] = [];
    const onError = (error: unknown): void => void errors.push(error);
    await assert.rejects(connectNats({ servers, name: 'x', signal: AbortSignal.abort(), onError }), {
      code: 'BUS_UNREACHABLE',
    });
    assert.equal(errors.length, 1);
  });

  it('waits for the first connection until its signal ends that, and tells of each failed try', async () => {
    const tries = new EventEmitter();
    const controller = new AbortController();
    const connecting = connectNats({
      servers: `nats://127.0.0.1:${await freePort('127.0.0.1')}`,
      name: 'x',
      signal: controller.signal,
      onError: (error) => tries.emit('failed', error),
    });
    const refused = assert.rejects(connecting, { code: 'BUS_UNREACHABLE' });
    for (let round = 0; round < 2; round += 1) {
      const [error] = await once(tries, 'failed');
      assert.equal((error as { code: string }).code, 'BUS_UNREACHABLE');
    }
    controller.abort();
    await refused;
  });

  it('is back as soon as its server is, also where the clock was set back meanwhile', async (context) => {
    const bus = await connectNats({ servers: server.url, name: 'x', onError: () => {} });
    const { now } = Date;
    context.mock.method(Date, 'now', () => now() - 600_000);
    const lost = until(bus, false);
    server.part.kill('SIGKILL');
    await server.part.exited;
    await lost;
    const back = until(bus, true);
    await server.part.start();
    await back;
    await bus.close();
  });

  it(
    'gives up a server that falls silent with more on its way to it than the system takes, and can be closed then',
    { timeout: 60_000 },
    async () => {
      const connect = (): Promise<Bus> => connectNats({ servers: server.url, name: 'x', onError: () => {} });
      const [bus, closed] = [await connect(), await connect()];
      const lost = until(bus, false);
      server.part.kill('SIGSTOP');
      for (let sent = 0; sent < 40; sent += 1)
        for (const one of [bus, closed]) one.publish('much', 'x'.repeat(1_000_000));
      await Promise.all([lost, closed.close()]);
      const back = until(bus, true);
      server.part.kill('SIGCONT');
      await back;
      await bus.close();
    },
  );

  it('rejects with BUS_MESSAGE_TOO_LARGE what the server takes no message of, also where it is the reply', async () => {
    const port = await freePort('127.0.0.1');
    const file = join(folder, 'small.conf');
    await writeFile(file, `listen: "127.0.0.1:${port}"\nmax_payload: 64KB\n`);
    const small = new Part({
      name: 'nats-small',
      command: tool('nats-server'),
      args: ['--config', file],
      folder,
      logFile: join(folder, 'small.log'),
      ready: { line: /Server is ready/ },
    });
    await small.start();
    const bus = await connectNats({ servers: `nats://127.0.0.1:${port}`, name: 'x', onError: () => {} });
    bus.serve('length', async (body) => 'x'.repeat(Number(body)));
    bus.serve('swallow', async () => null);
    const refused = { code: 'BUS_MESSAGE_TOO_LARGE' };
    await assert.rejects(bus.request('length', 100_000, { deadlineMs: 5_000 }), refused);
    await assert.rejects(bus.request('swallow', 'x'.repeat(100_000), { deadlineMs: 5_000 }), refused);
    assert.equal(await bus.request('length', 3, { deadlineMs: 5_000 }), 'xxx');
    await bus.close();
    await small.stop();
  });

  it('does not speak in the clear to a server without TLS when TLS is asked for', async () => {
    const options = { name: 'x', signal: AbortSignal.abort(), onError: () => {} };
    await assert.rejects(connectNats({ ...options, servers: server.url, tls: {} }), {
      code: 'BUS_UNREACHABLE',
    });
    const tlsUrl = server.url.replace('nats:', 'tls:');
    await assert.rejects(connectNats({ ...options, servers: tlsUrl }), { code: 'BUS_UNREACHABLE' });
  });
});

function until(bus: Bus, connected: boolean): Promise<void> {
  if (bus.connected === connected) return Promise.resolve();
  return new Promise((resolve) => {
    const listening = bus.onConnection((now) => {
      if (now !== connected) return;
      listening.close();
      resolve();
    });
  });
}
