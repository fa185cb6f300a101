import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { tool } from '@postern/scripts/install';
import { takeLoopbackNet } from '../network/loopback-net.ts';
import { makeScratch, removeScratch } from '../process/scratch.ts';
import { startMongodb } from './mongodb.ts';
import { startNats } from './nats.ts';
import { startNginx } from './nginx.ts';
import { startPostgresql } from './postgresql.ts';
import { startRedis } from './redis.ts';
import { startSquid } from './squid.ts';
import { startSshd } from './sshd.ts';

const run = promisify(execFile);

test('a PostgreSQL of its own answers psql', async () => {
  await using server = await startPostgresql();
  const args = ['-h', server.host, '-p', String(server.port), '-U', 'postgres', '-Atc', 'select 6*7'];
  assert.equal((await run(tool('psql'), args)).stdout, '42\n');
});

test('a Redis of its own answers redis-cli', async () => {
  await using server = await startRedis();
  const { stdout } = await run(tool('redis-cli'), ['-h', server.host, '-p', String(server.port), 'ping']);
  assert.equal(stdout, 'PONG\n');
});

test('an nginx of its own serves the files of its folder', async () => {
  await using server = await startNginx();
  await writeFile(join(server.folder, 'www', 'a'), 'content');
  const { stdout } = await run('curl', ['-fsS', `http://${server.host}:${server.port}/files/a`]);
  assert.equal(stdout, 'content');
});

test('an sshd of its own takes the key that was made for it', async () => {
  await using server = await startSshd();
  const args = [
    ...server.clientOptions,
    '-p',
    String(server.port),
    `${server.user}@${server.host}`,
    'echo hello',
  ];
  assert.equal((await run(tool('ssh'), args)).stdout, 'hello\n');
});

test('a squid of its own passes CONNECT on for who shows the password, and for nobody else', async () => {
  await using target = await startNginx();
  await using proxy = await startSquid();
  const url = `http://${target.host}:${target.port}/`;
  assert.match((await run('curl', ['-fsSp', '--noproxy', '', '-x', proxy.url, url])).stdout, /hello/);
  const bare = `http://${proxy.host}:${proxy.port}`;
  await assert.rejects(run('curl', ['-fsSp', '--noproxy', '', '-x', bare, url]), /407/);
});

test('three NATS servers form a cluster, each on its own address', async () => {
  const net = await takeLoopbackNet();
  const folder = await makeScratch('nats');
  const servers = await startNats(folder, [net.address(1), net.address(2), net.address(3)]);
  try {
    assert.equal(new Set(servers.map((server) => server.address)).size, 3);
    await servers[0]?.part.restart();
  } finally {
    await Promise.all(servers.map(({ part }) => part.stop()));
    net.release();
    removeScratch(folder);
  }
});

test('a MongoDB-wire server starts again at the same address after kill -9', async () => {
  const folder = await makeScratch('mongodb');
  const server = await startMongodb(folder, '127.0.0.1');
  const { part } = server;
  try {
    if (part === null) return;
    const before = part.pid;
    part.kill('SIGKILL');
    await part.exited;
    await part.start();
    assert.notEqual(part.pid, before);
    assert.match(part.readyLine, new RegExp(`:${new URL(server.url).port}$`));
  } finally {
    await part?.stop();
    removeScratch(folder);
  }
});
