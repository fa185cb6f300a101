import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { type TestContext, after, before, describe, it } from 'node:test';
import { MemoryHub } from '@postern/bus';
import { openSqlite } from '@postern/store';
import { RouteOwner } from '../fixture/route-owner.ts';
import { openRing } from './key-settings.ts';
import { createCertstore } from '../service.ts';
import { type TransitOptions, transitKeyWrapper } from './transit.ts';

const context = Buffer.from('context');
const good = { status: 200, body: { data: { ciphertext: 'vault:v1:AAAA' } } };

describe('a transit server whose answer is of another kind', () => {
  let server: Server;
  let options: TransitOptions;
  let answer: { status: number; body: unknown; headers?: Record<string, string> } = good;

  before(async () => {
    server = createServer((_request, response) => {
      response.writeHead(answer.status, answer.headers).end(JSON.stringify(answer.body));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    options = { url, mount: 'transit', key: 'postern', token: () => 'token', caPem: null };
  });
  after(() => server.close());

  it('has wrapped nothing, and what it calls opened is not taken for a key', async () => {
    answer = good;
    const wrapper = await transitKeyWrapper(options);
    const refused = { code: 'CERTSTORE_TRANSIT_REFUSED', message: /not of its kind/ };
    for (const data of [null, [], {}, { ciphertext: ['vault:v1:AAAA'] }, { ciphertext: 'AAAA' }]) {
      answer = { status: 200, body: { data } };
      await assert.rejects(wrapper.wrap(Buffer.alloc(32), context), refused, JSON.stringify(data));
    }
    for (const plaintext of [null, 1, '', 'AAAA', Buffer.alloc(33).toString('base64')]) {
      answer = { status: 200, body: { data: { plaintext } } };
      const opened = wrapper.unwrap(wrapper.keyId, Buffer.from('vault:v1:AAAA'), context);
      await assert.rejects(opened, refused, JSON.stringify(plaintext));
    }
  });

  it('is waited for where its status says so', async () => {
    for (const body of ['<html>', null, { errors: 'busy' }, { errors: { busy: true } }]) {
      answer = { status: 503, body };
      const opened = openRing({ keyEncryptionKey: '', transit: options });
      await assert.rejects(opened, { code: 'CERTSTORE_TRANSIT_UNREACHABLE', message: /status 503/ });
    }
  });

  it('is waited for where it changes the protocol', async () => {
    answer = { status: 101, body: '', headers: { connection: 'upgrade', upgrade: 'x' } };
    await assert.rejects(transitKeyWrapper(options), { code: 'CERTSTORE_TRANSIT_UNREACHABLE' });
  });
});

describe('a transit server that fails for a moment while certstore starts', () => {
  /** It only writes down what it is to seal, and fails once: at the call of that action after so many. */
  async function serve(
    t: TestContext,
    action: 'encrypt' | 'decrypt',
    refusal: { status: number; skip: number },
  ) {
    let calls = 0;
    const server = createServer((request, response) => {
      void text(request).then((body) => {
        const { plaintext, ciphertext } = JSON.parse(body) as { plaintext?: string; ciphertext?: string };
        const isAsked = request.url?.includes(`/${action}/`) === true;
        if (isAsked) calls += 1;
        if (isAsked && calls === refusal.skip + 1)
          return response.writeHead(refusal.status).end(JSON.stringify({ errors: ['not now'] }));
        const data =
          plaintext === undefined
            ? { plaintext: ciphertext?.slice('vault:v1:'.length) }
            : { ciphertext: `vault:v1:${plaintext}` };
        return response.end(JSON.stringify({ data }));
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return { url, mount: 'transit', key: 'postern', token: () => 'token', caPem: null };
  }

  async function start(t: TestContext, transit: TransitOptions): Promise<void> {
    const store = openSqlite(':memory:');
    const bus = new MemoryHub().connect();
    const routes = new RouteOwner(bus);
    const options = { keyEncryptionKey: '', platformHost: 'gw.example.com', transit };
    const service = createCertstore({ bus, store, options });
    t.after(async () => {
      await service.stop();
      routes.close();
      await store.close();
    });
    await service.start();
  }

  it('is waited for, whatever it was asked for then', async (t) => {
    // All at once, since each waits a second.
    const failures = [
      ['encrypt', 1],
      ['encrypt', 6],
      ['decrypt', 0],
      ['decrypt', 2],
    ] as const;
    await Promise.all(
      failures.map(async ([action, skip]) => start(t, await serve(t, action, { status: 503, skip }))),
    );
  });

  it('and may encrypt but not decrypt is not told as another key', async (t) => {
    const started = start(t, await serve(t, 'decrypt', { status: 403, skip: 0 }));
    await assert.rejects(started, {
      code: 'CERTSTORE_TRANSIT_REFUSED',
      message: /refuses to decrypt: not now/,
    });
  });
});
