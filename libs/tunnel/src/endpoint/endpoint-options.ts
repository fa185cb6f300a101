/** What an endpoint is made with, and what it asks of the process that it is in. */
import type { Clock } from '../clock.ts';
import type { TunnelError } from '../error.ts';
import type { Limits } from '../limit.ts';
import type { RelayedOpen } from './relay.ts';
import type { Session } from '../session/session.ts';
import type { ProcessName } from '../stream/stream-end.ts';
import type { Stream } from '../stream/stream.ts';

/** What an endpoint is made with. */
export interface EndpointOptions {
  /** This process: client ID or node name, and boot ID. */
  self: ProcessName;
  limits?: Partial<Limits>;
  clock?: Clock;
  /** A peer opened a stream here: set its `events`, then `accept` or `reset` it, now or later. Without it streams are refused. */
  onOpen?(stream: Stream, session: Session): void;
  onControl?(session: Session, body: unknown): void;
  /** `TUNNEL_CONTROL_TOO_LONG`: what was to be said on a session did not fit a frame, and was not sent. */
  onControlLost?(session: Session, error: TunnelError): void;
  onSessionClose?(session: Session, cause: TunnelError): void;
  /** A peer said GOAWAY: no new streams there; time to open another session. */
  onGoAway?(session: Session, text: string): void;
  /**
   * Where to pass on a stream whose end is not here; null when nowhere, `restarted` when another boot has taken the name.
   * Without it nothing is relayed.
   */
  relayTo?(
    session: Session,
    request: { scope: string; to: ProcessName; metadata: unknown },
  ): Session | 'restarted' | null;
  /** An OPEN is passed on: with other metadata, and told how it was answered, where that is wanted. */
  onRelay?(metadata: unknown, to: ProcessName): RelayedOpen | null;
  /** A session by which `stream` can go on when none to its peer is left (through another node). */
  findDetour?(stream: Stream): Session | null;
}
