import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { mongodbConnection, natsConnection } from './connection.ts';
import { Secret } from './secret.ts';

describe('the connection to the bus', () => {
  it('has no TLS and no user unless they are set', () => {
    assert.deepEqual(natsConnection({ natsUrl: new Secret('nats://a:4222') }), { servers: 'nats://a:4222' });
  });

  it('reads a password from its file at each connect', () => {
    const folder = mkdtempSync(join(tmpdir(), 'postern-'));
    const file = join(folder, 'password');
    writeFileSync(file, 'first\n');
    const { user } = natsConnection({
      natsUrl: new Secret('nats://a:4222'),
      natsUser: 'admin',
      natsPassword: new Secret('first', file),
    });
    assert.equal(user?.password(), 'first');
    writeFileSync(file, 'second\n');
    assert.equal(user?.password(), 'second');
    rmSync(folder, { recursive: true });
  });
});

describe('the connection to the documents', () => {
  it('takes certificate and key from one file', () => {
    const { url, options } = mongodbConnection({
      mongodbUrl: new Secret('mongodb://a:27017'),
      mongodbDatabase: 'postern',
      mongodbCaFile: 'ca.pem',
      mongodbCertificateFile: 'pair.pem',
    });
    assert.equal(url, 'mongodb://a:27017');
    assert.deepEqual(options.tls, { caFile: 'ca.pem', certFile: 'pair.pem', keyFile: 'pair.pem' });
  });
});
