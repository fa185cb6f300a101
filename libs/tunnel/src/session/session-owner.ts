/** What a session is made with, and what it tells the endpoint that made it. */
import type { Budget } from '../memory/budget.ts';
import type { Carrier } from '../carrier/carrier.ts';
import type { ShortTraffic } from '../carrier/flight.ts';
import type { Clock } from '../clock.ts';
import type { TunnelError } from '../error.ts';
import type { Open, Resume } from '../frame/frame.ts';
import type { Limits } from '../limit.ts';
import type { ScopeRoom } from '../memory/scope-room.ts';
import type { ReadingTurns } from './reading-turns.ts';
import type { Session } from './session.ts';

/** What a session tells its endpoint. */
export interface SessionOwner {
  handleOpen(session: Session, id: number, open: Open): void;
  handleResume(session: Session, id: number, resume: Resume): void;
  handleControl(session: Session, body: unknown): void;
  /** What was to be said did not fit a frame. */
  handleControlLost(session: Session, error: TunnelError): void;
  handleGoAway(session: Session, lastStream: number, text: string): void;
  handleClose(session: Session, cause: TunnelError): void;
}

/** What a session is made with. */
export interface SessionOptions {
  carrier: Carrier;
  clock: Clock;
  limits: Limits;
  /** Whether the carrier was dialled here. */
  dialer: boolean;
  /** Of which this session's is a part. */
  receiveBudgetOf: (scope: string) => Budget;
  shortTraffic: ShortTraffic;
  readingTurns: ReadingTurns;
  /** For control frames that wait, of all sessions. */
  controlRoom: ScopeRoom;
  owner: SessionOwner;
}
