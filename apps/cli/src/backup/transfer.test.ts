import assert from 'node:assert/strict';
import { it } from 'node:test';
import { backupPieceBytes, backupRooms } from '@postern/contracts';
import type { Api } from '../api.ts';
import { ApiError, CliError, exitCodeOf } from '../errors.ts';
import { restoreBackup } from './transfer.ts';

const bytes = backupPieceBytes + 1;
const header = {
  madeAt: '2026-01-01T00:00:00Z',
  platformVersion: '1',
  parts: backupRooms.map((room) => ({ room, bytes, sha256: '0'.repeat(64), documents: 1, keyIds: [] })),
};
const file = { header, read: async (_room: string, _offset: number, length: number) => Buffer.alloc(length) };

/** Answers everything, but for what `fail` throws; `calls` is what was asked for. */
function recorder(fail: (call: string, time: number) => void = () => {}) {
  const calls: string[] = [];
  const api: Api = {
    call: async (method, path, body) => {
      const { room = '' } = (body ?? {}) as { room?: string };
      const call = `${method} ${path} ${room}`.trim();
      calls.push(call);
      fail(call, calls.filter((one) => one === call).length);
      return path === '/restores' ? { id: 'r' } : null;
    },
    list: async () => [],
  };
  return { api, calls };
}

const refused = (status: number) => new ApiError({ status, code: 'X' });
const restore = (api: Api) => restoreBackup(api, file, { overwrite: false, pauseMs: 0 });

it('gives every part in pieces, has all of them checked, and only then changes anything', async () => {
  const { api, calls } = recorder();
  await restore(api);
  const each = (call: string): string[] => backupRooms.map((room) => `POST /restores/r/${call} ${room}`);
  const pieces = each('pieces').flatMap((call) => [call, call]);
  assert.deepEqual(calls, ['POST /restores', ...pieces, ...each('check'), ...each('commit')]);
});

it('gives what owners warn of, and tells it before anything is changed, without what a terminal would interpret', async (context) => {
  const { api, calls } = recorder();
  const write = (text: string): boolean => calls.push(text.trim()) > 0;
  context.mock.method(process.stderr, 'write', write);
  const token = 'a token (\u001B[2J) is good again';
  const warning: Api = {
    ...api,
    call: async (method, path, body) => {
      const answer = await api.call(method, path, body);
      const { room } = (body ?? {}) as { room?: string };
      return path === '/restores/r/check' && room === 'acl' ? { warnings: [token] } : answer;
    },
  };
  assert.deepEqual(await restore(warning), [token]);
  const at = calls.indexOf('a token (?[2J) is good again');
  const [check, commit] = ['check certstore', 'commit router'].map((step) =>
    calls.indexOf(`POST /restores/r/${step}`),
  );
  assert.ok(at > (check ?? NaN) && at < (commit ?? NaN), calls.join('\n'));
});

it('forgets what it gave when one of the owners cannot use its part', async () => {
  const { api, calls } = recorder((call) => {
    if (call === 'POST /restores/r/check acl') throw refused(409);
  });
  await assert.rejects(restore(api), ApiError);
  assert.equal(calls.at(-1), 'DELETE /restores/r');
  assert(!calls.some((call) => call.includes('commit')));
});

it('asks an owner again that did not answer, and goes on', async () => {
  const { api, calls } = recorder((call, time) => {
    if (call === 'POST /restores/r/commit router' && time < 3) throw refused(503);
  });
  await restore(api);
  assert.equal(calls.filter((call) => call === 'POST /restores/r/commit router').length, 3);
  assert.equal(calls.at(-1), 'POST /restores/r/commit certstore');
});

it('says who has the backup and who has not when it could not come to its end', async () => {
  const { api, calls } = recorder((call) => {
    if (call === 'POST /restores/r/commit acl') throw new CliError('CLI_UNREACHABLE', 'nobody answers');
  });
  await assert.rejects(restore(api), (error) => {
    assert(error instanceof CliError && error.code === 'CLI_RESTORE_UNFINISHED');
    assert.match(
      error.message,
      /^router has .* and acl does not: nobody answers\. Run the same command again$/,
    );
    assert.equal(exitCodeOf(error), 69);
    return true;
  });
  assert.equal(calls.filter((call) => call === 'POST /restores/r/commit acl').length, 10);
  assert(!calls.includes('DELETE /restores/r'));
});
