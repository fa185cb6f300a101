import assert from 'node:assert/strict';
import { it } from 'node:test';
import { inspect } from 'node:util';
import { connectMongo } from './mongo-store.ts';

it('refuses a URL or a TLS file that cannot be used at once, without a word of the password', async () => {
  for (const url of [
    'localhost:27017',
    'mongodb://',
    'mongodb://user:secret@a:99999/',
    'mongodb://user:sec/secret@a/',
    'mongodb://user:s%secret@a/',
    'mongodb://user:secret@a/?tls=maybe',
    'mongodb://user:secret@a/?unknown=1',
  ]) {
    await assert.rejects(connectMongo(url), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'STORE_SETTINGS_INVALID', url);
      assert.doesNotMatch(inspect(error, { depth: 9 }), /secret/);
      return true;
    });
  }
  const tls = { caFile: '/nowhere/ca.pem' };
  await assert.rejects(connectMongo('mongodb://a/', { tls }), {
    code: 'STORE_SETTINGS_INVALID',
    message: /\/nowhere\/ca\.pem/,
  });
});
