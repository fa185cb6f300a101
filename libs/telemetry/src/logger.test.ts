import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { createLogger, fileDestination, subsystemLogger } from './index.ts';

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
  const logger = createLogger({ name: 'x', destination: fileDestination(full) });
  for (let lines = 0; lines < 3; lines += 1) logger.error('lost');
  logger.fatal('lost too');
});
