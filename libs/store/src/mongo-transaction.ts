/**
 * A transaction, run again when it met another's writes and committed again when the answer to a commit was
 * lost, as the driver's labels say. The driver's own loop goes on for two minutes; in this one all runs together have
 * `transactionMsMax`, with pauses that spread those who compete.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientSession, MongoClient } from 'mongodb';
import type { MongoOrphans } from './mongo-orphans.ts';
import { commitError, hasLabel, isConnectionLost, mongoError } from './mongo-error.ts';
import { TransactionScope, transactionMsMax } from './transaction-scope.ts';

const pauseMsMax = 100;
/** Who meets another's writes for longer looks whether that one is still there. */
const patienceMs = 1_000;

/** Runs `work` until it is committed, fails by itself, or is out of time. */
export async function runTransaction<R>(
  client: MongoClient,
  orphans: MongoOrphans,
  work: (scope: TransactionScope, session: ClientSession) => Promise<R>,
  withinMs = transactionMsMax,
): Promise<R> {
  const startedAt = performance.now();
  const deadline = startedAt + withinMs;
  const session = client.startSession();
  const leave = await orphans.enter(session);
  try {
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await tryOnce(session, work, deadline);
      if ('result' in outcome) return outcome.result;
      if (!outcome.isTransient || isOver(deadline)) throw outcome.error;
      if (performance.now() - startedAt > patienceMs) await orphans.end();
      await delay(Math.random() * Math.min(attempt * 5, pauseMsMax));
    }
  } finally {
    leave();
    await session.endSession().catch(() => undefined);
  }
}

/** `isTransient` says whether to run it again; `error` is what the caller gets when not. */
type Outcome<R> = { result: R } | { isTransient: boolean; error: unknown };

async function tryOnce<R>(
  session: ClientSession,
  work: (scope: TransactionScope, session: ClientSession) => Promise<R>,
  deadline: number,
): Promise<Outcome<R>> {
  const scope = new TransactionScope();
  session.startTransaction({
    readConcern: { level: 'snapshot' },
    writeConcern: { w: 'majority', journal: true },
  });
  let result: R;
  try {
    result = await scope.run(() => work(scope, session), deadline - performance.now());
  } catch (error) {
    await session.abortTransaction().catch(() => undefined);
    const cause = scope.failure ?? error;
    const isTransient = hasLabel(cause, 'TransientTransactionError') || isConnectionLost(cause);
    return { isTransient, error: mongoError(error, 'a transaction') };
  }
  try {
    await commit(session, deadline);
    return { result };
  } catch (error) {
    return {
      isTransient: hasLabel(error, 'TransientTransactionError'),
      error: commitError(error).translated,
    };
  }
}

async function commit(session: ClientSession, deadline: number): Promise<void> {
  for (;;) {
    try {
      await session.commitTransaction();
      return;
    } catch (error) {
      if (!commitError(error).isUnknown || isOver(deadline)) throw error;
    }
  }
}

function isOver(deadline: number): boolean {
  return performance.now() > deadline;
}
