import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { text } from 'node:stream/consumers';

const lib = JSON.stringify(new URL('index.ts', import.meta.url).href);
const config = JSON.stringify(import.meta.resolve('@postern/config'));

interface Running {
  child: ChildProcess;
  /** Resolves with exit code and log when it has ended. */
  ended: Promise<{ code: number | null; log: string }>;
  line: Promise<string>;
}

/** A program of one part, in a process of its own; `part` overrides what the part does. */
function run(t: TestContext, part = '', build = '', stderr: 'pipe' | number = 'pipe'): Running {
  const source = `
    import { ExitCode } from ${config};
    import { ExitError, createLogger, runProgram } from ${lib};
    const logger = createLogger({ name: 'sample', level: 'debug' });
    await runProgram({
      name: 'sample', logger, ops: { host: '127.0.0.1', port: 0 },
      parts: (ending) => { ${build}; return [{
        name: 'part', start: async () => {}, stop: async () => {}, ready: () => ({ ready: true, waitingFor: [] }), status: () => null, ${part}
      }]; },
      onRunning: (ops) => process.stdout.write('ready ' + ops.url + '\\n'),
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', stderr],
  });
  t.after(() => child.kill('SIGKILL'));
  assert(child.stdout !== null);
  const log = child.stderr === null ? '' : text(child.stderr);
  return {
    child,
    ended: once(child, 'exit').then(async ([code]) => ({ code: code as number | null, log: await log })),
    line: once(child.stdout, 'data').then(([chunk]) => String(chunk).trim()),
  };
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} stops the parts and ends with 0`, async (t) => {
    const { child, ended, line } = run(t, `stop: async () => { logger.info('part stopped'); }`);
    await line;
    child.kill(signal);
    const { code, log } = await ended;
    assert.equal(code, 0);
    assert.match(log, /part stopped/);
  });
}

test('a second signal ends at once, though a part has not stopped', async (t) => {
  const { child, ended, line } = run(
    t,
    `stop: () => { process.stdout.write('stopping'); return new Promise(() => {}); }`,
  );
  await line;
  assert(child.stdout !== null);
  const stopping = once(child.stdout, 'data');
  child.kill('SIGTERM');
  await stopping;
  child.kill('SIGTERM');
  assert.equal((await ended).code, 0);
});

test('the ops port serves while the program runs', async (t) => {
  const { child, ended, line } = run(t);
  const url = (await line).replace('ready ', '');
  assert.deepEqual(await (await fetch(`${url}/readyz`)).json(), { ready: true, waitingFor: [] });
  child.kill();
  await ended;
});

test('a part that ends the program decides the code', async (t) => {
  const { ended } = run(t, `start: async () => { ending.end(ExitCode.refused, 'token refused'); }`);
  const { code, log } = await ended;
  assert.equal(code, 77);
  assert.match(log, /token refused/);
});

test('parts that cannot be put together end with the code of their error, and the last line says why', async (t) => {
  const { ended } = run(t, '', `throw new ExitError(ExitCode.configuration, 'no such file')`);
  const { code, log } = await ended;
  assert.equal(code, 78);
  assert.match(log, /"msg":"[^"]*: no such file"}\n$/);
});

test('why a part could not start is the reason of the end, which is what the last lines say', async (t) => {
  const { ended } = run(t, `start: async () => { throw new ExitError(ExitCode.configuration, 'in use'); }`);
  const { code, log } = await ended;
  assert.equal(code, 78);
  assert.match(log, /"exitCode":78,"reason":"part could not start: in use"/);
});

test('a port that is taken, an address that is not of this machine, and a host that nobody knows are a matter of settings', async (t) => {
  const taken = run(t);
  const port = new URL((await taken.line).replace('ready ', '')).port;
  for (const [where, cause] of [
    [`port: ${port}, host: '127.0.0.1'`, 'EADDRINUSE'],
    [`port: 0, host: '192.0.2.1'`, 'EADDRNOTAVAIL'],
    [`port: 0, host: 'nowhere.invalid'`, 'ENOTFOUND'],
  ]) {
    const listen = `const { createServer } = await import('node:net'); const server = createServer().listen({ ${where} })`;
    const { ended } = run(
      t,
      `start: async () => { ${listen}; const { once } = await import('node:events'); await once(server, 'listening'); }`,
    );
    const { code, log } = await ended;
    assert.equal(code, 78);
    assert.match(log, new RegExp(`"level":"fatal".*${cause}`));
  }
});

test('an error that nobody caught is logged and ends with 70', async (t) => {
  const { ended } = run(t, `start: async () => { setImmediate(() => { throw new Error('lost'); }); }`);
  const { code, log } = await ended;
  assert.equal(code, 70);
  assert.match(log, /"level":"fatal".*lost/);
});

test('a rejection that nobody caught is logged and ends with 70', async (t) => {
  const { ended } = run(t, `start: async () => { void Promise.reject(new Error('lost')); }`);
  assert.equal((await ended).code, 70);
});

test('a reader of stdout that has gone does not end the program', async (t) => {
  const { child, ended, line } = run(
    t,
    `start: async () => { process.on('SIGUSR2', () => { process.stdout.write('x'); setImmediate(() => logger.info('still here')); }); }`,
  );
  await line;
  assert(child.stdout !== null && child.stderr !== null);
  child.stdout.destroy();
  child.stderr.on('data', (chunk: Buffer) => {
    if (chunk.includes('still here')) child.kill('SIGTERM');
  });
  child.kill('SIGUSR2');
  assert.equal((await ended).code, 0);
});

test('a log that cannot be written, because the disk is full, ends no program', async (t) => {
  const full = openSync('/dev/full', 'w');
  t.after(() => closeSync(full));
  const { child, ended, line } = run(t, '', '', full);
  await line;
  child.kill('SIGTERM');
  assert.equal((await ended).code, 0);
});

test('an error that nobody caught ends with 70 though it cannot be logged', async (t) => {
  const { ended } = run(
    t,
    `start: async () => { setImmediate(() => { throw new Error('lost'); }); }`,
    `logger.fatal = () => { throw new Error('ENOSPC'); }`,
  );
  assert.equal((await ended).code, 70);
});
