import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cacheFolder, installOnce, withLock } from './cache.ts';
import { secantusLaunch, tool } from './tool.ts';

async function withCache(work: (cache: string) => Promise<void>): Promise<void> {
  const cache = await mkdtemp(join(tmpdir(), 'postern-cache-'));
  try {
    await work(cache);
  } finally {
    await rm(cache, { recursive: true });
  }
}

test('the cache is $POSTERN_CACHE, or postern/tools in the user cache folder', () => {
  assert.equal(cacheFolder({ POSTERN_CACHE: '/elsewhere' }), '/elsewhere');
  assert.equal(cacheFolder({ XDG_CACHE_HOME: '/xdg' }), '/xdg/postern/tools');
  assert.match(cacheFolder({ POSTERN_CACHE: '' }), /\/\.cache\/postern\/tools$/);
});

test('a tool is built once, and found by its stamp afterwards', () =>
  withCache(async (cache) => {
    let built = 0;
    const build = async (folder: string) => {
      built += 1;
      await writeFile(join(folder, 'binary'), '');
      return { from: 'here' };
    };
    assert.equal((await installOnce(cache, 'a', '1', build)).isNew, true);
    const again = await installOnce(cache, 'a', '1', build);
    assert.deepEqual([again.isNew, again.stamp.facts['from'], built], [false, 'here', 1]);
    assert.equal((await installOnce(cache, 'a', '2', build)).isNew, true);
  }));

test('a half-finished installation never counts, and its leavings are removed', () =>
  withCache(async (cache) => {
    await mkdir(join(cache, '.partial-a-killed'));
    const fails = async (folder: string): Promise<Record<string, string>> => {
      await writeFile(join(folder, 'binary'), '');
      throw new Error('the network is gone');
    };
    await assert.rejects(installOnce(cache, 'a', '1', fails), /network/);
    assert.deepEqual(await readdir(cache), []);
    assert.equal((await installOnce(cache, 'a', '1', () => Promise.resolve({}))).isNew, true);
    assert.equal(existsSync(join(cache, 'a-1', 'installed.json')), true);
  }));

test('two runs on one cache take turns', () =>
  withCache(async (cache) => {
    let inside = 0;
    const turn = () =>
      withLock(cache, 'a', async () => {
        inside += 1;
        assert.equal(inside, 1);
        await new Promise(setImmediate);
        inside -= 1;
      });
    await Promise.all([turn(), turn(), turn()]);
  }));

test('a missing tool is refused with the command that installs it', () =>
  withCache(async (cache) => {
    assert.throws(() => tool('nats-server', cache), /pnpm service:install/);
    assert.throws(() => secantusLaunch(cache), /pnpm service:install/);
  }));
