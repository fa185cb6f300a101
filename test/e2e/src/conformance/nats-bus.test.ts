/** The bus' conformance suite against a real NATS server, which is killed and started again where it asks for that. */
import assert from 'node:assert/strict';
import { once, EventEmitter } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { connectNats, type Bus } from '@postern/bus';
import { testBus, type BusPlace } from '@postern/bus/conformance';
import { makeScratch, type NatsServer, removeScratch, startNats } from '@postern/test-cluster';
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
