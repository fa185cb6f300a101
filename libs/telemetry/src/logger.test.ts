import assert from 'node:assert/strict';
import fs, { closeSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Metrics, createLogger, fileDestination, processMetrics, subsystemLogger } from './index.ts';

function capture(): { lines: Record<string, unknown>[]; write: (line: string) => void } {
  const lines: Record<string, unknown>[] = [];
  return { lines, write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
}

test('a line names program, level, time and subsystem', () => {
  const destination = capture();
  const logger = createLogger({ name: 'postern-edge', destination });
  subsystemLogger(logger, 'fronts').info({ destinationId: 'd' }, 'opened');
  const [line] = destination.lines;
  assert.equal(line?.['name'], 'postern-edge');
  assert.equal(line['level'], 'info');
  assert.equal(line['subsystem'], 'fronts');
  assert.match(String(line['time']), /^\d{4}-\d\d-\d\dT.*Z$/);
});

test('an error is shown with its code and cause', () => {
  const destination = capture();
  const error = Object.assign(new Error('outer', { cause: new Error('inner') }), { code: 'EDGE_X' });
  createLogger({ name: 'x', destination }).error({ error }, 'failed');
  const shown = destination.lines[0]?.['error'] as Record<string, unknown>;
  assert.equal(shown['code'], 'EDGE_X');
  assert.match(JSON.stringify(shown), /inner/);
});

test('less grave messages than the level are not written', () => {
  const destination = capture();
  createLogger({ name: 'x', level: 'warn', destination }).info('no');
  assert.equal(destination.lines.length, 0);
});

test('a full disk behind the log is nothing that its writer meets', (t) => {
  const full = openSync('/dev/full', 'w');
  t.after(() => closeSync(full));
  const logger = createLogger({ name: 'x', destination: fileDestination(full, 'x') });
  for (let lines = 0; lines < 3; lines += 1) logger.error('lost');
  logger.fatal('lost too');
});

test('a log that has had no room for more than is kept goes on when there is room again, and says how many lines it left out', (t) => {
  const none = openSync('/dev/null', 'w');
  t.after(() => closeSync(none));
  let full = true;
  let written = '';
  t.mock.method(fs, 'writeSync', (_descriptor: number, bytes: string | Buffer) => {
    if (full) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    written += bytes.toString();
    return Buffer.byteLength(bytes);
  });
  const logger = createLogger({ name: 'x', destination: fileDestination(none, 'x') });
  for (let lines = 0; lines < 6; lines += 1)
    logger.info({ line: lines, filling: 'f'.repeat(256 * 1024) }, 'kept');
  assert.equal(written, '');
  full = false;
  logger.info({ filling: 'f'.repeat(256 * 1024) }, 'there is room');
  logger.info('later');
  const lines = written
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    [
      'kept',
      'kept',
      'kept',
      'there was no room for lines of this log, and they were left out',
      'there is room',
      'later',
    ],
  );
  assert.deepEqual([lines[3]?.['name'], lines[3]?.['level'], lines[3]?.['lines']], ['x', 'warn', 3]);
});

test('a log file that is opened anew takes the lines that the former one had no room for', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-log-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [path, former] = [join(folder, 'log'), join(folder, 'log.1')];
  const destination = fileDestination(path, 'x');
  const logger = createLogger({ name: 'x', destination });
  logger.info('there is room');
  const full = t.mock.method(fs, 'writeSync', () => {
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  });
  logger.info('kept');
  full.mock.restore();
  renameSync(path, former);
  destination.reopen();
  logger.info('later');
  const messages = (file: string) =>
    readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { msg: string }).msg);
  assert.deepEqual([messages(former), messages(path)], [['there is room'], ['kept', 'later']]);
});

test('a log file that cannot be opened anew is written on where it was', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-log-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [own, moved] = [join(folder, 'own'), join(folder, 'moved')];
  fs.mkdirSync(own);
  const destination = fileDestination(join(own, 'log'), 'x');
  const logger = createLogger({ name: 'x', destination });
  renameSync(own, moved);
  assert.throws(() => destination.reopen(), { code: 'ENOENT' });
  logger.info('on');
  assert.match(readFileSync(join(moved, 'log'), 'utf8'), /"msg":"on"/);
});

test('a log that cannot be written is a metric, and so are the lines that it left out', async (t) => {
  const metrics = new Metrics();
  processMetrics(metrics);
  const shown = async () => {
    const lines = (await metrics.text()).split('\n').filter((line) => line.startsWith('postern_log_'));
    return lines.map((line) => Number(line.split(' ')[1]));
  };
  const none = openSync('/dev/null', 'w');
  t.after(() => closeSync(none));
  const [, before = NaN] = await shown();
  const full = t.mock.method(fs, 'writeSync', () => {
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  });
  const logger = createLogger({ name: 'x', destination: fileDestination(none, 'x') });
  for (let lines = 0; lines < 6; lines += 1) logger.info({ filling: 'f'.repeat(256 * 1024) }, 'kept');
  assert.deepEqual(await shown(), [1, before + 3]);
  full.mock.restore();
  logger.info('there is room');
  assert.deepEqual(await shown(), [0, before + 3]);
});
