import assert from 'node:assert/strict';
import { it } from 'node:test';
import { inspect } from 'node:util';
import { connectNats } from './connect-nats.ts';
import { connectionOptions } from './nats-options.ts';

it('takes one server or several, with TLS where one of them says so', () => {
  const of = (servers: string) => connectionOptions({ servers, name: 'postern-acl' });
  assert.deepEqual(of('nats://a:4222').servers, ['a:4222']);
  assert.deepEqual(of('a').servers, ['a']);
  assert.deepEqual([of('nats://a:4222').tls, of('tls://a:4222').tls], [undefined, {}]);
  assert.deepEqual(of('nats://a:1, tls://[fd00::1]:2/').servers, ['a:1', '[fd00::1]:2']);
  assert.equal(of('a').inboxPrefix, '_INBOX_postern-acl');
  const node = connectionOptions({ servers: 'a', name: 'postern-edge', instance: 'edge-1' });
  assert.equal(node.inboxPrefix, '_INBOX_postern-edge.edge-1');
});

it('refuses what is no server at once, and never repeats it: it may hold a password', async () => {
  for (const servers of [
    '',
    'nats://a,',
    'http://a:4222',
    'nats://a:99999',
    'nats://user:secret@a:4222',
    'nats://user:sec/ret@a:4222',
    'nats://user:12/secret@a:4222',
    'nats://user:s,secret@a:4222',
    'nats://user:s?secret@a',
  ]) {
    await assert.rejects(connectNats({ servers, name: 'x' }), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'BUS_SETTINGS_INVALID', servers);
      assert.doesNotMatch(inspect(error, { depth: 9 }), /secret|sec\/|ret@/);
      return true;
    });
  }
});
