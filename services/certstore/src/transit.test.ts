import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { openRing } from './key-settings.ts';
import { type TransitOptions, transitKeyWrapper } from './transit.ts';

const context = Buffer.from('context');
const good = { status: 200, body: { data: { ciphertext: 'vault:v1:AAAA' } } };

describe('a transit server whose answer is of another kind', () => {
  let server: Server;
  let options: TransitOptions;
  let answer: { status: number; body: unknown } = good;

  before(async () => {
    server = createServer((_request, response) => {
      response.writeHead(answer.status).end(JSON.stringify(answer.body));
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
      await assert.rejects(opened, { code: 'STORE_UNREACHABLE', message: /status 503/ });
    }
  });
});
