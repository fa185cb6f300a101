import assert from 'node:assert/strict';
import { it, mock } from 'node:test';
import type { Logger } from '@postern/telemetry';
import { TokenWatch } from './token-watch.ts';

it('tells of a new token also when a first call has shown it already', () => {
  let token = 'first';
  const onChange = mock.fn();
  const watch = new TokenWatch(() => token, { info: () => {} } as unknown as Logger, onChange);
  watch.check();
  watch.read();
  token = 'second';
  assert.equal(watch.read(), 'second');
  assert.equal(onChange.mock.callCount(), 0);
  watch.check();
  watch.check();
  assert.equal(onChange.mock.callCount(), 1);
});

it('goes on by the token that was shown, and says so once, while its file is empty or cannot be read', () => {
  let token: string | null | Error = 'first';
  const warn = mock.fn();
  const onChange = mock.fn();
  const read = (): string | null => {
    if (token instanceof Error) throw token;
    return token;
  };
  const watch = new TokenWatch(read, { warn, info: () => {} } as unknown as Logger, onChange);
  assert.equal(watch.read(), 'first');
  for (token of [null, new Error('EACCES'), null]) watch.check();
  assert.equal(onChange.mock.callCount(), 0);
  assert.deepEqual(
    warn.mock.calls.map((call) => call.arguments),
    [['the security token is gone: its file is empty; tunnels go on by the one that was shown']],
  );
  token = null;
  assert.equal(watch.read(), 'first', 'a first call shows it too');
  token = 'second';
  watch.check();
  assert.equal(onChange.mock.callCount(), 1);
  token = new Error('EACCES');
  watch.check();
  assert.equal(warn.mock.callCount(), 2);
});
