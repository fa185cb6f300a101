/** What the end of a stream needs of the endpoint that it belongs to. */
import type { Budget } from '../memory/budget.ts';
import type { Clock } from '../clock.ts';
import type { Limits } from '../limit.ts';
import type { Session } from '../session/session.ts';
import type { ProcessName } from './stream-end.ts';
import type { Stream } from './stream.ts';
import type { Tombstone } from './tombstone.ts';

/** See the head of this file. */
export interface StreamHost {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly self: ProcessName;
  /** What the streams of a gateway may keep above their floors. */
  sendBudgetOf(scope: string): Budget;
  /** A session over which the other end can be reached, with room for one more stream; null when there is none now. */
  findSession(stream: Stream): Session | null;
  /** The stream has no path and waits for one. */
  waiting(stream: Stream): void;
  /** The stream is over. */
  forget(stream: Stream, tombstone: Tombstone): void;
}
