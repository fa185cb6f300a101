// Programs of the field and the servers that they were made for, with a gateway in between that they know nothing of.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pipeline } from 'node:stream/promises';
import { tool } from '@postern/scripts/install';
import {
  type Endpoint,
  type ProcessResource,
  type Site,
  type SshServer,
  makeScratch,
  patternBuffer,
  startNginx,
  startPostgresql,
  startRedis,
  startSite,
  startSshd,
} from '@postern/test-cluster';
import { onEachPlatform } from './fixture/platforms.ts';
import { run } from './fixture/run.ts';

const LARGE_FILE_BYTES = 64 * 1024 * 1024 + 11;
const SFTP_FILE_BYTES = 24 * 1024 * 1024 + 7;
const VALUE_BYTES = 3_000_001;

let resources: {
  postgresql: ProcessResource;
  redis: ProcessResource;
  nginx: ProcessResource;
  ssh: SshServer;
};

before(async () => {
  const [postgresql, redis, nginx, ssh] = await Promise.all([
    startPostgresql(),
    startRedis(),
    startNginx(),
    startSshd(),
  ]);
  resources = { postgresql, redis, nginx, ssh };
});
after(() => Promise.all(Object.values(resources).map((resource) => resource.stop())));

onEachPlatform((booted) => {
  let site: Site;
  before(async () => {
    site = await startSite(booted().platform, { resources });
  });
  after(() => site.stop());
  const front = (name: keyof typeof resources): Endpoint => site.front(name);

  test('psql asks a PostgreSQL, gets a large result unchanged, and its errors as they are', async () => {
    const psql = (at: Endpoint, sql: string) =>
      run(tool('psql'), [...postgresArgs(at), '-v', 'ON_ERROR_STOP=1', '-Atc', sql]);
    const many = 'copy (select i, md5(i::text) from generate_series(1, 200000) i) to stdout';
    const through = await psql(front('postgresql'), many);
    assert.equal(sha256(through), sha256(await psql(resources.postgresql, many)));
    await assert.rejects(psql(front('postgresql'), 'select 1/0'), /division by zero/);
  });

  test('pgbench runs its transactions over eight connections, and over a new one each, and the sums are right', async () => {
    const at = postgresArgs(front('postgresql'));
    await run(tool('pgbench'), [...at, '--initialize', '--scale=1', '--quiet']);
    const bench = (...more: string[]) => run(tool('pgbench'), [...at, '--no-vacuum', '--client=8', ...more]);
    assert.match(await bench('--transactions=100', '--jobs=2'), /actually processed: 800\/800/);
    assert.match(await bench('--transactions=10', '--connect'), /actually processed: 80\/80/);
    const sums = ['pgbench_accounts', 'pgbench_tellers', 'pgbench_branches'].map(
      (table) => `(select sum(${table.charAt(8)}balance) from ${table})`,
    );
    const sql = `select ${sums.join(', ')}, (select sum(delta) from pgbench_history), (select count(*) from pgbench_history)`;
    const [accounts, tellers, branches, deltas, count] = (
      await run(tool('psql'), [...postgresArgs(resources.postgresql), '-Atc', sql])
    )
      .trim()
      .split('|');
    assert.deepEqual([accounts, tellers, branches, count], [deltas, deltas, deltas, '880']);
  });

  test('redis-cli stores a large value and reads it back, and redis-benchmark finishes over fifty connections', async () => {
    const { host, port } = front('redis');
    const at = ['-h', host, '-p', String(port)];
    const value = patternBuffer(1, VALUE_BYTES).toString('base64');
    assert.equal(await run(tool('redis-cli'), [...at, '-x', 'set', 'large'], value), 'OK\n');
    assert.equal(sha256(await run(tool('redis-cli'), [...at, 'get', 'large'])), sha256(`${value}\n`));
    const load = ['-t', 'set,get,lpush,lrange_100', '-n', '4000', '-c', '50', '-P', '4', '--csv'];
    const report = await run(tool('redis-benchmark'), [...at, ...load]);
    assert.match(report, /^"SET"/m);
    assert.match(report, /^"LRANGE_100/m);
  });

  test('curl gets small and large files from an nginx, over kept and many connections, every byte right', async () => {
    const { host, port } = front('nginx');
    const folder = await makeScratch('files');
    const bytes = patternBuffer(2, LARGE_FILE_BYTES);
    await writeFile(join(resources.nginx.folder, 'www', 'large'), bytes);
    const url = (path: string): string => `http://${host}:${port}${path}`;
    assert.equal(await run('curl', ['-fsS', url('/')]), 'hello from behind the gateway\n');
    await run('curl', ['-fsS', '-o', join(folder, 'large'), url('/files/large')]);
    assert.equal(await sha256OfFile(join(folder, 'large')), sha256(bytes));
    const range = await run('curl', [
      '-fsS',
      '-r',
      '1000-1063',
      '-o',
      '-',
      '-w',
      '%{size_download}',
      url('/files/large'),
    ]);
    assert.ok(range.endsWith('64'));
    const many = [
      '-fsS',
      '--parallel',
      '--parallel-max',
      '40',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}\n',
      url('/?[1-200]'),
    ];
    assert.equal(await run('curl', many), '200\n'.repeat(200));
    assert.match(
      await run('curl', ['-sS', '-o', '/dev/null', '-w', '%{http_code}', url('/files/none')]),
      /^404$/,
    );
  });

  test('ssh runs a command and tells its end, and sftp carries a file there and back', async () => {
    const { host, port } = front('ssh');
    const { clientOptions, user, folder: home } = resources.ssh;
    const ssh = (command: string, input?: string) =>
      run(tool('ssh'), [...clientOptions, '-p', String(port), `${user}@${host}`, command], input);
    assert.equal(await ssh('wc -c', 'x'.repeat(100_000)), '100000\n');
    await assert.rejects(ssh('exit 7'), { code: 7 });

    const folder = await makeScratch('sftp');
    const [there, back] = [join(home, `uploaded-${port}`), join(folder, 'back')];
    const bytes = patternBuffer(3, SFTP_FILE_BYTES);
    await writeFile(join(folder, 'file'), bytes);
    const batch = `put ${join(folder, 'file')} ${there}\nget ${there} ${back}\nls ${there}\nbye\n`;
    const args = [...clientOptions, '-P', String(port), '-b', '-', `${user}@${host}`];
    await run(tool('sftp'), args, batch);
    assert.equal(await sha256OfFile(there), sha256(bytes));
    assert.equal(await sha256OfFile(back), sha256(bytes));
  });
});

function postgresArgs({ host, port }: Endpoint): string[] {
  return ['-h', host, '-p', String(port), '-U', 'postgres', '-d', 'postgres'];
}

function sha256(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
