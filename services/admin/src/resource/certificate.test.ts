import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { LightMyRequestResponse } from 'fastify';
import { testKeys, testPlatform, type TestPlatform } from '../fixture/platform.ts';

const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
const secret = '-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n';
const boundary = 'xyz';

type Part = { name: string; value: string | Buffer; fileName?: string };

/** A form as browsers and curl send it. */
function form(parts: readonly Part[]): Buffer {
  const pieces = parts.flatMap(({ name, value, fileName }) => [
    Buffer.from(
      `--${boundary}\r\ncontent-disposition: form-data; name="${name}"${
        fileName === undefined ? '' : `; filename="${fileName}"\r\ncontent-type: application/octet-stream`
      }\r\n\r\n`,
    ),
    Buffer.from(value),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]);
}

describe('an upload', () => {
  let platform: TestPlatform;
  const heard: string[] = [];
  before(async () => {
    platform = await testPlatform();
    platform.bus.subscribe('>', (body) => heard.push(JSON.stringify(body)));
  });
  after(() => platform.close());

  function send(
    payload: object | Buffer,
    options: { path?: string; method?: 'POST' | 'PATCH' } = {},
  ): Promise<LightMyRequestResponse> {
    const type = Buffer.isBuffer(payload) ? `multipart/form-data; boundary=${boundary}` : 'application/json';
    return platform.app.inject({
      method: options.method ?? 'POST',
      url: `/api/v1${options.path ?? '/certificates'}`,
      headers: { authorization: `Bearer ${testKeys.operator}`, 'content-type': type },
      payload,
    });
  }

  const last = (): string[] =>
    (platform.uploads.at(-1)?.files ?? []).map((file) => Buffer.from(file, 'base64').toString());

  it('as JSON reaches certstore, and nobody else on the bus', async () => {
    const answer = await send({ name: 'shop', pem, keyPem: secret, passphrase: 'open sesame' });
    assert.equal(answer.statusCode, 201, answer.body);
    assert.deepEqual(last(), [pem, secret]);
    assert.equal(platform.uploads.at(-1)?.passphrase, 'open sesame');
    assert.equal(
      heard.some((one) => /PRIVATE KEY|MC4C|open sesame/.test(one)),
      false,
    );
  });

  it('of files that are too long together is refused with the bound, however it came', async () => {
    const file = Buffer.alloc(200 * 1024, 'a');
    const parts = ['a.pem', 'b.pem'].map((fileName) => ({ name: 'files', value: file, fileName }));
    const long = { name: 'shop', pem: file.toString(), keyPem: file.toString() };
    for (const payload of [form([{ name: 'name', value: 'shop' }, ...parts]), long]) {
      const answer = await send(payload);
      assert.equal(answer.statusCode, 413, answer.body);
      assert.match(answer.body, /ADMIN_BODY_TOO_LARGE.*at most 262144 bytes together/);
    }
    const change = await send(form(parts), { method: 'PATCH', path: '/certificates/c1' });
    assert.match(change.body, /ADMIN_BODY_TOO_LARGE/);
  });

  it('as a form may have any files, beside fields', async () => {
    const bytes = Buffer.from([0x30, 0x82, 0x00, 0xff]);
    const parts = [
      { name: 'name', value: 'shop' },
      { name: 'passphrase', value: 'x' },
      { name: 'files', value: bytes, fileName: 'shop.p12' },
      { name: 'more', value: pem, fileName: 'ca.pem' },
    ];
    const answer = await send(form(parts));
    assert.equal(answer.statusCode, 201, answer.body);
    assert.deepEqual(platform.uploads.at(-1), {
      files: [bytes.toString('base64'), Buffer.from(pem).toString('base64')],
      passphrase: 'x',
    });
  });

  it('replaces contents the same way, and a name alone replaces none', async () => {
    const { id } = (await send({ name: 'shop', pem })).json<{ id: string }>();
    const path = `/certificates/${id}`;
    const count = platform.uploads.length;
    assert.equal((await send({ name: 'other' }, { path, method: 'PATCH' })).statusCode, 200);
    assert.equal(platform.uploads.length, count);
    const replaced = await send(form([{ name: 'f', value: pem, fileName: 'x.pem' }]), {
      path,
      method: 'PATCH',
    });
    assert.equal(replaced.statusCode, 200, replaced.body);
    assert.deepEqual(last(), [pem]);
  });

  it('without a certificate, with an unknown field, or a field twice is refused with the reason', async () => {
    const code = async (payload: object | Buffer): Promise<string> => {
      const answer = await send(payload);
      assert.equal(answer.statusCode, 400, answer.body);
      return answer.json<{ code: string }>().code;
    };
    assert.equal(await code({ name: 'shop' }), 'ADMIN_BODY_INVALID');
    assert.equal(await code(form([{ name: 'name', value: 'x' }])), 'ADMIN_BODY_INVALID');
    assert.equal(
      await code(
        form([
          { name: 'nme', value: 'x' },
          { name: 'f', value: pem, fileName: 'f' },
        ]),
      ),
      'ADMIN_BODY_INVALID',
    );
    assert.equal(
      await code(
        form([
          { name: 'name', value: 'x' },
          { name: 'name', value: 'y' },
        ]),
      ),
      'ADMIN_BODY_INVALID',
    );
    assert.equal(await code(form([{ name: '__proto__', value: 'x' }])), 'ADMIN_REQUEST_MALFORMED');
    assert.equal(await code(Buffer.from('--abc\r\nnothing')), 'ADMIN_REQUEST_MALFORMED');
  });

  it('of more or longer files than there may be is refused with 413', async () => {
    const long = { name: 'f', value: Buffer.alloc(257 * 1024), fileName: 'f' };
    assert.equal((await send(form([long]))).statusCode, 413);
    const many = Array.from({ length: 17 }, () => ({ name: 'f', value: pem, fileName: 'f' }));
    assert.equal((await send(form(many))).statusCode, 413);
  });

  it('as a form is for certificates only', async () => {
    const answer = await send(form([{ name: 'name', value: 'x' }]), { path: '/gateways' });
    assert.equal(answer.statusCode, 415, answer.body);
  });

  it('of a generated pair’s order and its only download are read by nobody on the bus', async () => {
    const answer = await send(
      { name: 'till', usage: 'client', subject: 'till', passphrase: 'open sesame' },
      { path: '/certificates/generate' },
    );
    assert.equal(answer.statusCode, 201, answer.body);
    assert.equal(answer.json<{ download: { fileName: string } }>().download.fileName, 'x.zip');
    assert.equal(
      heard.some((one) => /x\.zip|open sesame/.test(one)),
      false,
    );
  });
});
