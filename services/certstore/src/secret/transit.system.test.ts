// The key-encryption key in a transit server, which is a process of its own: certstore never sees the key. The same on the
// stand-in, which is always there, and on a real OpenBao or Vault where `POSTERN_TEST_TRANSIT_PROGRAM` names its program.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { MemoryHub } from '@postern/bus';
import {
  type KeyRotation,
  ask,
  createCertificate,
  getIntakeKey,
  getKeyRotation,
  startKeyRotation,
} from '@postern/contracts';
import { type Store, openSqlite } from '@postern/store';
import { createAuthority, sealText } from '@postern/tls';
import { openSecret, sealSecret } from './envelope.ts';
import { openRing } from './key-settings.ts';
import { RouteOwner } from '../fixture/route-owner.ts';
import { type TransitServer, startOpenBao, startStandIn } from '../fixture/transit.ts';
import { type CertstoreOptions, createCertstore } from '../service.ts';
import { type TransitOptions, transitKeyWrapper } from './transit.ts';

const place = { collection: 'certstore_secrets', id: 'c1', version: 1 };
const program = process.env['POSTERN_TEST_TRANSIT_PROGRAM'];

describe('the stand-in', () => proveTransit(() => startStandIn()));
describe(
  'a real server',
  { skip: program === undefined ? 'POSTERN_TEST_TRANSIT_PROGRAM names no OpenBao or Vault' : false },
  () => proveTransit(() => startOpenBao(program ?? '')),
);

function proveTransit(start: () => Promise<TransitServer>): void {
  let server: TransitServer;
  let options: TransitOptions;

  before(async () => {
    server = await start();
    options = { url: server.url, mount: 'transit', key: 'postern', token: () => server.token, caPem: null };
  });
  after(() => server.stop());

  it('wraps what only it unwraps, for the same document only', async () => {
    const wrapper = await transitKeyWrapper(options);
    const envelope = await sealSecret(wrapper, place, Buffer.from('a private key'));
    assert.equal((await openSecret(wrapper, place, envelope)).toString(), 'a private key');
    await assert.rejects(openSecret(wrapper, { ...place, id: 'c2' }, envelope), {
      code: 'CERTSTORE_SECRET_DAMAGED',
    });
  });

  it('refuses a wrong token with the server’s words, and is told apart when it does not answer', async () => {
    await assert.rejects(transitKeyWrapper({ ...options, token: () => 'wrong' }), {
      code: 'CERTSTORE_TRANSIT_REFUSED',
      message: /permission denied/,
    });
    await assert.rejects(transitKeyWrapper({ ...options, key: 'other' }), {
      code: 'CERTSTORE_TRANSIT_REFUSED',
    });
    await assert.rejects(transitKeyWrapper({ ...options, url: 'http://127.0.0.1:1' }), {
      code: 'CERTSTORE_TRANSIT_UNREACHABLE',
    });
  });

  it('counts as not answering while it is sealed, and is asked again', async () => {
    const wrapper = await transitKeyWrapper(options);
    const envelope = await sealSecret(wrapper, place, Buffer.from('a private key'));
    await server.seal();
    const sealed = { code: 'CERTSTORE_TRANSIT_UNREACHABLE', message: /is sealed/ };
    await assert.rejects(openSecret(wrapper, place, envelope), sealed);
    await assert.rejects(transitKeyWrapper(options), sealed);
    await server.unseal();
    assert.equal((await openSecret(wrapper, place, envelope)).toString(), 'a private key');
  });

  it('is waited for while it is sealed when certstore starts', async () => {
    const settings: CertstoreOptions = {
      keyEncryptionKey: '',
      platformHost: 'gw.example.com',
      transit: options,
    };
    const store = openSqlite(':memory:');
    const hub = new MemoryHub();
    const routes = new RouteOwner(hub.connect());
    await server.seal();
    const service = createCertstore({ bus: hub.connect(), store, options: settings });
    const started = service.start();
    await assert.rejects(openRing(settings), { code: 'CERTSTORE_TRANSIT_UNREACHABLE' });
    await server.unseal();
    await started;
    await service.stop();
    routes.close();
    await store.close();
  });

  it('that was made anew, with a key of the same name, is told from documents that somebody changed', async () => {
    const store = openSqlite(':memory:');
    const hub = new MemoryHub();
    const routes = new RouteOwner(hub.connect());
    const at = ({ url, token }: TransitServer) =>
      createCertstore({
        bus: hub.connect(),
        store,
        options: {
          keyEncryptionKey: '',
          platformHost: 'gw.example.com',
          transit: { ...options, url, token: () => token },
        },
      });
    const first = at(server);
    await first.start();
    await first.stop();
    const anew = await start();
    try {
      await assert.rejects(at(anew).start(), {
        exitCode: 78,
        message: /CERTSTORE_SECRET_DAMAGED: .*its key transit\/postern is another than it was sealed with/,
      });
    } finally {
      await anew.stop();
    }
    routes.close();
    await store.close();
  });

  it('takes over from a key of the settings, and follows the server’s own versions', async () => {
    const store: Store = openSqlite(':memory:');
    const hub = new MemoryHub();
    const bus = hub.connect();
    const routes = new RouteOwner(hub.connect());
    const keyEncryptionKey = randomBytes(32).toString('base64');
    const withKey: CertstoreOptions = { keyEncryptionKey, platformHost: 'gw.example.com' };
    const run = async (settings: CertstoreOptions, work: () => Promise<void>): Promise<void> => {
      const service = createCertstore({ bus: hub.connect(), store, options: settings });
      await service.start();
      await work();
      await service.stop();
    };
    const untilDone = async (): Promise<KeyRotation> => {
      for (;;) {
        const progress = await ask(bus, getKeyRotation, {});
        if (progress.state === 'done') return progress;
      }
    };
    await run(withKey, async () => {
      const { keyPem, certificatePem } = await createAuthority({ commonName: 'shop' });
      const files = [keyPem, certificatePem].map((pem) => Buffer.from(pem).toString('base64'));
      const { key } = await ask(bus, getIntakeKey, {});
      await ask(bus, createCertificate, {
        name: 'shop',
        sealed: await sealText(key, JSON.stringify({ files })),
      });
    });
    await run({ ...withKey, transit: options }, async () => {
      assert.match((await untilDone()).keyId, /^transit\/postern:v1$/);
    });
    const alone: CertstoreOptions = {
      keyEncryptionKey: '',
      platformHost: 'gw.example.com',
      transit: options,
    };
    await run(alone, async () => {
      await server.rotate();
      assert.match((await ask(bus, startKeyRotation, {})).keyId, /:v2$/);
      const { left, total } = await untilDone();
      assert.equal(left, 0);
      assert(total >= 5);
    });
    routes.close();
    await store.close();
  });
}
