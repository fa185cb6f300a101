/** SQLite's result codes as errors of the store (https://sqlite.org/rescode.html). */
import { StoreError } from './store-error.ts';

const Result = { Busy: 5, ConstraintPrimaryKey: 1555, ConstraintUnique: 2067, TooBig: 18 } as const;

/** Translates; `keys` gives the fields of each unique index. What is no error of SQLite comes back as it is. */
export function sqliteError(
  error: unknown,
  collection: string,
  keys: ReadonlyMap<string, readonly string[]>,
): unknown {
  if (!(error instanceof Error) || !('errcode' in error)) return error;
  switch (error.errcode) {
    case Result.ConstraintPrimaryKey:
      return duplicate(collection, ['id'], error);
    case Result.ConstraintUnique: {
      const index = /index '(.+)'/.exec(error.message)?.[1] ?? '';
      return duplicate(collection, keys.get(index) ?? ['id'], error);
    }
    case Result.TooBig:
      return new StoreError('STORE_TOO_LARGE', `a document of ${collection} is too large`, { cause: error });
    default:
      return new StoreError('STORE_UNREACHABLE', `the file cannot be read or written: ${error.message}`, {
        cause: error,
      });
  }
}

/** Whether another process has the file. */
export function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === Result.Busy;
}

function duplicate(collection: string, key: readonly string[], cause: Error): StoreError {
  return new StoreError(
    'STORE_DUPLICATE',
    `another document of ${collection} has the same ${key.join(', ')}`,
    { key, cause },
  );
}
