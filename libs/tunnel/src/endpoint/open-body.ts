/** What OPEN and RESUME say of who speaks to whom, read as something that comes from outside. */
import { attemptMax, type Open, type Resume } from '../frame/frame.ts';
import { linkScope, type Peer } from '../session/peer.ts';
import type { ProcessName } from '../stream/stream-end.ts';

/** The body of OPEN and RESUME. Relays pass on what else a later version may have put in. */
export interface OpenBody {
  from: ProcessName;
  to: ProcessName;
  /** On links between nodes, which carry streams of every gateway: whose this one is. */
  gateway?: string;
  meta?: unknown;
  relayed?: boolean;
}

/** Returns what is wrong where it cannot be taken. Only a node of the cluster speaks for others than itself. */
export function readOpenBody(peer: Peer, { attempt, body }: Open | Resume): OpenBody | string {
  if (attempt === 0) return 'has an attempt before the first';
  if (attempt > attemptMax) return 'has an attempt that is too high';
  if (typeof body !== 'object' || body === null) return 'has no body';
  const { from, to, relayed, gateway } = body as Partial<OpenBody>;
  if (!isProcessName(from) || !isProcessName(to)) return 'does not say from whom to whom it is';
  if (peer.trusted !== true && (from.id !== peer.id || from.bootId !== peer.bootId))
    return 'comes from another process than it says';
  if (peer.scope === linkScope && !isGatewayName(gateway)) return 'does not say whose it is';
  // Names go back to the peer in RESUME, with no more than they are.
  return { ...(body as OpenBody), from: nameOf(from), to: nameOf(to), relayed: relayed === true };
}

function nameOf({ id, bootId }: ProcessName): ProcessName {
  return { id, bootId };
}

/** The gateway whose streams a session carries, or on a link the one that the frame names. */
export function scopeOf(peer: Peer, body: OpenBody): string {
  return peer.scope === linkScope ? (body.gateway ?? linkScope) : peer.scope;
}

function isProcessName(name: unknown): name is ProcessName {
  if (typeof name !== 'object' || name === null) return false;
  const { id, bootId } = name as Partial<ProcessName>;
  return typeof id === 'string' && id.length <= 255 && typeof bootId === 'string' && bootId.length <= 64;
}

function isGatewayName(gateway: unknown): gateway is string {
  return typeof gateway === 'string' && gateway.length > 0 && gateway.length <= 255;
}
