import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MongoDriverError, MongoNetworkError, MongoServerError } from 'mongodb';
import { commitError, isConnectionLost, mongoError } from './mongo-error.ts';
import { StoreError } from './store-error.ts';

function codeOf(error: unknown): unknown {
  const translated = mongoError(error, 'things');
  return translated instanceof StoreError ? translated.code : translated;
}

it('takes lost connections, dead sockets and what the driver would try again for STORE_UNREACHABLE', () => {
  const labelled = new MongoServerError({
    message: 'not primary',
    code: 10107,
    errorLabels: ['RetryableWriteError'],
  });
  const dead = Object.assign(new Error('This socket has been ended by the other party'), { code: 'EPIPE' });
  for (const error of [new MongoNetworkError('gone'), labelled, dead])
    assert.equal(codeOf(error), 'STORE_UNREACHABLE');
});

it('takes a connection for lost, and a commit on it for unanswered, though no label says so', () => {
  const dead = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });
  for (const error of [new MongoNetworkError('interrupted due to server monitor timeout'), dead]) {
    assert.ok(isConnectionLost(error));
    assert.ok(isConnectionLost(mongoError(error, 'things')));
    assert.ok(commitError(error).isUnknown);
  }
  const refused = new MongoServerError({ message: 'x', code: 13 });
  assert.ok(!isConnectionLost(refused) && !commitError(refused).isUnknown);
});

it('takes a server that is full, or on which changes are blocked, for STORE_UNREACHABLE', () => {
  for (const code of [371, 14031]) {
    const error = new MongoServerError({ message: 'No space left on device', code });
    assert.equal(codeOf(error), 'STORE_UNREACHABLE', String(code));
  }
});

it('takes a server that goes, is not the one that takes writes, or has lost the rest of a page, for STORE_UNREACHABLE without any label', () => {
  for (const code of [6, 7, 43, 89, 91, 134, 175, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436]) {
    const error = new MongoServerError({ message: 'x', code });
    assert.equal(codeOf(error), 'STORE_UNREACHABLE', String(code));
  }
});

it('takes an operation for which no connection was free for STORE_OVERLOADED, and tries a commit again', () => {
  class WaitQueueTimeoutError extends MongoDriverError {
    override get name(): string {
      return 'MongoWaitQueueTimeoutError';
    }
  }
  const waited = new WaitQueueTimeoutError('Timed out while checking out a connection from connection pool');
  assert.equal(codeOf(waited), 'STORE_OVERLOADED');
  const { isUnknown, translated } = commitError(waited);
  assert.deepEqual([isUnknown, (translated as StoreError).code], [true, 'STORE_TIMEOUT']);
});

it('names the key of a duplicate, also when the server names only its index', () => {
  const pattern = new MongoServerError({
    message: 'E11000',
    code: 11000,
    keyPattern: { 'front.port': 1, host: 1 },
  });
  const index = new MongoServerError({ message: 'E11000 … index: front.port_1_host_1 dup key', code: 11000 });
  const id = new MongoServerError({ message: 'E11000 … index: _id_ dup key', code: 11000 });
  const keys = [pattern, index, id].map((error) => (mongoError(error, 'things') as StoreError).key);
  assert.deepEqual(keys, [['front.port', 'host'], ['front.port', 'host'], ['id']]);
});

it('tells refusals, slowness and size apart, and leaves other errors as they are', () => {
  const server = (code: number): MongoServerError => new MongoServerError({ message: 'x', code });
  assert.deepEqual(
    [13, 18, 50, 64, 10334].map((code) => codeOf(server(code))),
    ['STORE_REFUSED', 'STORE_REFUSED', 'STORE_TIMEOUT', 'STORE_TIMEOUT', 'STORE_TOO_LARGE'],
  );
  const own = new TypeError('ours');
  assert.equal(codeOf(own), own);
});
