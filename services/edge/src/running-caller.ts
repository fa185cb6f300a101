/** What callers of all protocols have in common, to those who may end them. */
import type { Route } from '@postern/contracts';
import type { TraceSpan } from '@postern/telemetry';
import type { ProcessName, ResetCode } from '@postern/tunnel';
import type { CallerCause } from './errors.ts';
import type { CallerAddress } from './judgement.ts';

/** What a rule, a client or the node may end: a caller's stream, or one request of it. */
export interface RunningCaller {
  readonly trackingId: string;
  readonly address: CallerAddress;
  readonly gatewayId: string;
  readonly destinationId: string;
  /** The client that has it, or is asked to take it. */
  readonly clientId: string | null;
  readonly clientProcess: ProcessName | null;
  readonly opened: boolean;
  /** Whether a client took a new stream for it. */
  readonly tookStream: boolean;
  readonly bytes: { fromCaller: number; toCaller: number };
  /** Where it is traced. */
  readonly span: TraceSpan | null;
  judgeAgain(route: Route | undefined): void;
  end(cause: CallerCause, code?: ResetCode): void;
  tick(now: number): void;
}
