import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '@postern/test-kit';
import { TestPlatform } from './platform/platform.fixture.ts';

const main = fileURLToPath(new URL('main.ts', import.meta.url));

async function platformWith(t: TestContext): Promise<{
  platform: TestPlatform;
  /** Goes when the test is over. */
  folder: string;
  run: (...argv: string[]) => ChildProcess;
  /** The same by another command, which is given it. */
  runBy: (command: string[], ...argv: string[]) => ChildProcess;
}> {
  const platform = await TestPlatform.start();
  const folder = mkdtempSync(join(tmpdir(), 'postern-main-'));
  writeFileSync(join(folder, 'ca.pem'), platform.caPem);
  const children: ChildProcess[] = [];
  t.after(async () => {
    for (const child of children.filter(
      ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
    )) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await platform.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const runBy = (command: string[], ...argv: string[]): ChildProcess => {
    const common = [
      '--connect',
      platform.url.href,
      '--ca',
      join(folder, 'ca.pem'),
      '--state',
      join(folder, 'state'),
    ];
    const [file = '', ...args] = [...command, process.execPath, main, ...common, ...argv];
    const child = spawn(file, args, {
      env: { PATH: process.env['PATH'] ?? '' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    return child;
  };
  return { platform, folder, run: (...argv) => runBy([], ...argv), runBy };
}

async function firstLine(child: ChildProcess): Promise<string> {
  assert(child.stdout !== null);
  child.stderr?.resume();
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return line;
}

async function exitOf(child: ChildProcess): Promise<{ code: number | null; stderr: string }> {
  let stderr = '';
  child.stderr?.on('data', (piece: Buffer) => (stderr += piece.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stderr };
}

describe('postern-client', () => {
  it('says on stdout that it is connected, hides its token from the process list, and ends with 0 on SIGTERM', async (t) => {
    const { platform, run } = await platformWith(t);
    const child = run('abc', '-t', 'very-secret');
    assert.match(await firstLine(child), /^connected abc abc_\w+$/);
    assert.equal(platform.calls[0]?.token, 'very-secret');
    if (process.platform === 'linux') {
      assert(!readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').includes('very-secret'));
    }
    child.kill('SIGTERM');
    const [code] = (await once(child, 'exit')) as [number];
    assert.equal(code, 0);
  });

  it('shows a token that came by a pipe, which can be read once only', async (t) => {
    const { platform, runBy } = await platformWith(t);
    const child = runBy(['bash', '-c', 'exec "$0" "$@" --token-file <(echo very-secret)'], 'abc');
    await firstLine(child);
    assert.equal(platform.calls[0]?.token, 'very-secret');
  });

  it('goes on when the disk of its log is full', async (t) => {
    const { run } = await platformWith(t);
    const child = run('abc', '-p', '/dev/full');
    assert.match(await firstLine(child), /^connected /);
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });

  it('logs to a new file after its log was renamed and SIGHUP sent, and to the former where none can be made', async (t) => {
    const { run, folder } = await platformWith(t);
    const log = join(folder, 'log');
    const child = run('abc', '-p', log);
    await firstLine(child);
    renameSync(log, `${log}.1`);
    child.kill('SIGHUP');
    await until(
      () => existsSync(log),
      (isThere) => isThere,
    );
    renameSync(log, `${log}.2`);
    mkdirSync(log);
    child.kill('SIGHUP');
    await until(
      () => readFileSync(`${log}.2`, 'utf8'),
      (text) => text.includes('cannot be opened anew'),
    );
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    assert.match(readFileSync(`${log}.1`, 'utf8'), /a tunnel is up/);
    assert.match(readFileSync(`${log}.2`, 'utf8'), /asked to stop/);
  });

  it('has its ID again after kill -9', async (t) => {
    const { run } = await platformWith(t);
    const first = run('abc');
    const line = await firstLine(first);
    first.kill('SIGKILL');
    await once(first, 'exit');
    assert.equal(await firstLine(run('abc')), line);
  });

  it('ends with 77 and the plain cause when it is refused, and never shows the token', async (t) => {
    const { platform, run } = await platformWith(t);
    platform.callAnswer = { status: 401, code: 'ACL_TOKEN_WRONG' };
    const { code, stderr } = await exitOf(run('abc', '-t', 'very-secret', '-w', 'another-secret'));
    assert.equal(code, 77);
    assert.match(stderr, /ACL_TOKEN_WRONG/);
    assert.match(stderr, /without effect in this version: -w/);
    assert.equal(stderr.match(/shows its secret/g)?.length, 2);
    assert(!/very-secret|another-secret/.test(stderr));
  });

  it('ends with 77 for what cannot be a token at all', async (t) => {
    const { platform, run } = await platformWith(t);
    const { code, stderr } = await exitOf(run('abc', '-t', 'not a token'));
    assert.equal(code, 77);
    assert.match(stderr, /CLIENT_TOKEN_MALFORMED/);
    assert.deepEqual(platform.calls, []);
  });

  it('ends with 78 for an access-list file that is wrong, and with 64 for bad usage', async (t) => {
    const { run } = await platformWith(t);
    const wrongList = await exitOf(run('abc', '-F', main));
    assert.equal(wrongList.code, 78);
    assert.match(wrongList.stderr, /"msg":"[^"]*: CLIENT_ACL_FILE_INVALID: the access-list file /);
    const wrongCa = await exitOf(run('abc', '--ca', main));
    assert.equal(wrongCa.code, 78);
    assert.match(wrongCa.stderr, /CONFIG_FILE: the file of the CA, .*main\.ts: there is no certificate/);
    const noLog = await exitOf(run('abc', '-p', '/nonexistent/log'));
    assert.equal(noLog.code, 78);
    assert.match(noLog.stderr, /CONFIG_FILE: the log file: ENOENT/);
    assert.equal((await exitOf(run())).code, 64);
    assert.equal((await exitOf(run('abc', '--no-such-flag'))).code, 64);
  });
});
