/** Answers an owner's questions of backup and restore, until the subscriptions are closed. */
import type { Bus, Subscription } from '@postern/bus';
import { type Answerer, answer, backupQuestions, done } from '@postern/contracts';
import type { Store } from '@postern/store';
import { Restores } from './restore.ts';
import { Snapshots } from './snapshot.ts';
import type { BackupSource } from './source.ts';

/** What it needs. `serve` answers in the owner's queue. */
export interface ServeBackupParts {
  readonly bus: Bus;
  readonly store: Store;
  readonly source: BackupSource;
  readonly serve: Answerer;
  readonly onError: (error: unknown) => void;
  readonly logger: { warn(fields: object, message: string): void };
}

/** Serves. */
export async function serveBackup(parts: ServeBackupParts): Promise<Subscription[]> {
  const { bus, store, source, serve, onError, logger } = parts;
  const questions = backupQuestions(source.room);
  const snapshots = new Snapshots();
  const restores = await Restores.open(store, source);
  const reading = answer(bus, questions.read, ({ snapshot, offset }) => snapshots.read(snapshot, offset), {
    suffix: snapshots.replica,
    onError,
  });
  return [
    {
      close: () => {
        reading.close();
        snapshots.stop();
      },
    },
    serve(questions.begin, () => snapshots.take(store, source)),
    serve(questions.beginRestore, ({ restoreId, part, overwrite }) =>
      done(restores.begin(restoreId, part, overwrite)),
    ),
    serve(questions.chunk, ({ restoreId, index, data }) => done(restores.keep(restoreId, index, data))),
    serve(questions.check, async ({ restoreId }) => ({ warnings: await restores.check(restoreId) })),
    serve(questions.commit, async ({ restoreId, by }) => {
      const warnings = await restores.commit(restoreId, by?.id);
      if (warnings !== null)
        logger.warn({ restoreId, by, warnings }, 'the documents are those of a backup now');
      return {};
    }),
    serve(questions.done, async () => ({ restoreId: await restores.done() })),
    serve(questions.abandon, ({ restoreId }) => done(restores.abandon(restoreId))),
  ];
}
