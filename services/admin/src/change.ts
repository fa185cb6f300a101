/**
 * A change of an object to a given state, asked of its owner. Each names the revision that it is made of, so it is made
 * once however often it is asked for:
 *
 *     the caller named a revision (If-Match)    that one; asked once, and a stale one is the caller's to hear of
 *     any will do                               the one that was just read; asked again where no reply came. Stale: read
 *                                               and asked anew, for another was faster, or it was made and its reply lost
 *
 * So a replica that stood still when it was asked and wakes late finds another revision, and changes nothing: what its
 * caller was told, and what was changed after that, holds.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bus } from '@postern/bus';
import { type Question, ServiceError, ask } from '@postern/contracts';
import type { Static, TSchema } from 'typebox';
import { adminError } from './errors.ts';
import { patientBus } from './patient-bus.ts';

/** Those who are all too late at once do not come again at once. */
const pauseMsMax = 50;

/** The revision that a change must find, undefined where any will do, and the object as it is. */
export interface ChangeOf {
  readonly revision: number | undefined;
  readonly current: () => Promise<{ readonly revision: number }>;
  /** As in `patientBus`; tests give their own. */
  readonly lostAfterMs?: number | undefined;
  /** How long a stale one is tried again; the question's deadline, but tests give their own. */
  readonly triedForMs?: number | undefined;
}

/** Asks for a change. Where any revision will do none is refused as stale: `ADMIN_ANSWER_LATE` when others were always faster. */
export async function askToChange<Request extends TSchema, Answer extends TSchema>(
  bus: Bus,
  question: Question<Request, Answer>,
  body: Omit<Static<Request>, 'revision'>,
  { revision, current, lostAfterMs, triedForMs = question.deadlineMs }: ChangeOf,
): Promise<Static<Answer>> {
  const of = (made: number) => ({ ...body, revision: made }) as Static<Request>;
  if (revision !== undefined) return ask(bus, question, of(revision));
  const patient = patientBus(bus, { lostAfterMs, repeats: () => true });
  const startedAt = performance.now();
  for (;;) {
    const { revision: now } = await current();
    try {
      return await ask(patient, question, of(now));
    } catch (error) {
      if (!(error instanceof ServiceError && error.code.endsWith('_REVISION_STALE'))) throw error;
      if (performance.now() - startedAt > triedForMs) {
        const message = 'others changed this object each time before this change was made';
        throw adminError('ADMIN_ANSWER_LATE', message, { cause: error });
      }
    }
    await sleep(Math.random() * pauseMsMax);
  }
}
