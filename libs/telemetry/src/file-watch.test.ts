import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FileWatch } from './file-watch.ts';
import { createLogger } from './logger.ts';

test('says once a minute at most that no file descriptor is left, and nothing while there is one', () => {
  const lines: string[] = [];
  const logger = createLogger({ name: 'x', destination: { write: (line) => void lines.push(line) } });
  let open = 255;
  const watch = new FileWatch(logger, () => ({ open, max: 256 }));
  watch.look(0);
  assert.equal(lines.length, 0);
  open = 256;
  watch.look(1_000);
  watch.look(2_000);
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /"level":"error".*"open":256.*no file descriptor is left \(EMFILE\)/);
  watch.look(61_000);
  assert.equal(lines.length, 2);
  new FileWatch(logger, () => null).look(0);
  assert.equal(lines.length, 2);
});
