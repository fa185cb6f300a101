/** The driver's errors as errors of the store. A change whose answer was lost may have been made all the same. */
import {
  MongoClientClosedError,
  MongoError,
  MongoNetworkError,
  MongoNotConnectedError,
  MongoServerError,
  MongoTopologyClosedError,
} from 'mongodb';
import { StoreError } from './store-error.ts';

const Code = {
  Unauthorized: 13,
  AuthenticationFailed: 18,
  MaxTimeExpired: 50,
  WriteConcernTimeout: 64,
  Duplicate: 11000,
} as const;
/** The server is going, or is not (any more, or yet) the one that takes writes, or it went with the rest of a page. */
const stateChange = new Set([6, 7, 43, 89, 91, 134, 175, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436]);
/** It takes no changes for now: its disk is full, or changes are blocked. */
const writesHeld = new Set([371, 14031]);
const deadSocket = new Set(['EPIPE', 'ECONNRESET', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END']);
const tooLarge = new Set([10334, 17419, 17420]);
const retryLabels = [
  'RetryableWriteError',
  'RetryableError',
  'TransientTransactionError',
  'UnknownTransactionCommitResult',
];

/** Translates; `what` names the collection. What is no error of the driver comes back as it is. */
export function mongoError(error: unknown, what: string): unknown {
  const options = { cause: error };
  if (isSocketError(error)) {
    return new StoreError('STORE_UNREACHABLE', `the database is out of reach: ${error.message}`, options);
  }
  if (!(error instanceof MongoError)) return error;
  if (isClosed(error)) return new StoreError('STORE_CLOSED', 'the store was closed', options);
  if (isNotBegun(error)) {
    const message =
      'the operations before this one took too long, so it was not begun and nothing was done: the database is slow, or is asked for too much at once';
    return new StoreError('STORE_OVERLOADED', message, options);
  }
  if (!(error instanceof MongoServerError) || isPassing(error)) {
    return new StoreError('STORE_UNREACHABLE', `the database is out of reach: ${error.message}`, options);
  }
  if (error.code === Code.Duplicate) {
    const key = duplicateKey(error);
    return new StoreError('STORE_DUPLICATE', `another document of ${what} has the same ${key.join(', ')}`, {
      ...options,
      key,
    });
  }
  if (error.code === Code.MaxTimeExpired || error.code === Code.WriteConcernTimeout) {
    return new StoreError('STORE_TIMEOUT', `the database was too slow: ${error.message}`, options);
  }
  if (tooLarge.has(Number(error.code)))
    return new StoreError('STORE_TOO_LARGE', `a document of ${what} is too large`, options);
  return new StoreError(
    'STORE_REFUSED',
    `the database refused an operation on ${what}: ${error.message}`,
    options,
  );
}

/** Whether the driver says that the whole transaction, or its commit, may be tried again. */
export function hasLabel(
  error: unknown,
  label: 'TransientTransactionError' | 'UnknownTransactionCommitResult',
): boolean {
  const origin = error instanceof StoreError ? error.cause : error;
  return origin instanceof MongoError && origin.hasErrorLabel(label);
}

/**
 * Whether its connection was lost under it. The driver labels only what came before it gave up all connections to that server:
 * without a label too it may be tried again.
 */
export function isConnectionLost(error: unknown): boolean {
  const origin = error instanceof StoreError ? error.cause : error;
  return origin instanceof MongoNetworkError || isSocketError(origin);
}

/**
 * A commit's error. Where a socket dies under a commit the driver looks for labels on what is no error of its own, and fails
 * by that.
 */
export function commitError(error: unknown): { isUnknown: boolean; translated: unknown } {
  if (isNotBegun(error)) {
    // The one before it, which was not answered, may have been.
    const message = 'the database was too slow: no connection was free for a commit';
    return { isUnknown: true, translated: new StoreError('STORE_TIMEOUT', message, { cause: error }) };
  }
  if (error instanceof MongoError) {
    const isUnknown = hasLabel(error, 'UnknownTransactionCommitResult') || isConnectionLost(error);
    return { isUnknown, translated: mongoError(error, 'a transaction') };
  }
  const message = 'the database is out of reach: the connection was lost before a commit was answered';
  return { isUnknown: true, translated: new StoreError('STORE_UNREACHABLE', message, { cause: error }) };
}

/** A socket that dies while it is written to comes through the driver as it is (`write EPIPE`). */
function isSocketError(error: unknown): error is Error {
  return (
    error instanceof Error && ('syscall' in error || ('code' in error && deadSocket.has(String(error.code))))
  );
}

/** Labels come only where the driver would try again; a server that changes its state, or takes no changes, says so at any operation. */
function isPassing(error: MongoServerError): boolean {
  const code = Number(error.code);
  return (
    stateChange.has(code) || writesHeld.has(code) || retryLabels.some((label) => error.hasErrorLabel(label))
  );
}

/** No connection was free in time; the driver does not export the class. */
function isNotBegun(error: unknown): boolean {
  return error instanceof MongoError && error.name === 'MongoWaitQueueTimeoutError';
}

function isClosed(error: MongoError): boolean {
  return [MongoClientClosedError, MongoNotConnectedError, MongoTopologyClosedError].some(
    (kind) => error instanceof kind,
  );
}

function duplicateKey(error: MongoServerError): string[] {
  const pattern = error['keyPattern'] as Record<string, unknown> | undefined;
  const fields = pattern === undefined ? indexFields(error.message) : Object.keys(pattern);
  return fields.map((field) => (field === '_id' ? 'id' : field));
}

/** Older servers name only the index, which MongoDB calls by its fields: `host_1_port_1`. */
function indexFields(message: string): string[] {
  const index = /index: (\S+)/.exec(message)?.[1] ?? '_id_';
  return index
    .split(/_1(?:_|$)/)
    .filter((field) => field !== '')
    .map((field) => field.replace(/^_id_$/, '_id'));
}
