/**
 * Which node a caller's stream is opened at: the quietest that has not been tried and knows what is wanted. Another is
 * tried only where the last one says that nothing reached the resource.
 */
import {
  type CloudDestination,
  type CloudOpenMetadata,
  featuresLacking,
  featuresToDialCloud,
} from '@postern/contracts';
import type { Compression, Session, Stream } from '@postern/tunnel';
import { quietest } from '../keeper/held-tunnels.ts';
import type { CloudCause } from './cause.ts';

const nodesTriedMax = 8;
/** A node says itself when the resource times out, after 180 s at most. */
export const answerSecondsMax = 185;

/** What it needs of the gateway's client. */
export interface NodeChoiceParts {
  sessions(): Iterable<Session>;
  open(session: Session, metadata: CloudOpenMetadata): Stream;
  readonly compression: Compression;
}

/** One caller's, or one request's. */
export class NodeChoice {
  readonly #parts: NodeChoiceParts;
  readonly #destination: CloudDestination;
  readonly #tried = new Set<string>();
  #lastCause: CloudCause | null = null;

  constructor(parts: NodeChoiceParts, destination: CloudDestination) {
    this.#parts = parts;
    this.#destination = destination;
  }

  /** The next one, or why there is none. */
  next(): Session | CloudCause {
    const session = this.#pick();
    if (session === null) return this.#lastCause ?? noTunnel;
    this.#tried.add(session.peer.id);
    return session;
  }

  /** Whether there is a tunnel to another node. */
  hasOther(nodeId: string): boolean {
    for (const { usable, peer } of this.#parts.sessions()) if (usable && peer.id !== nodeId) return true;
    return false;
  }

  /** Why the last one did not take it; of several the last is told, but for a node that has not heard of the destination yet. */
  noteCause(cause: CloudCause): void {
    if (this.#lastCause === null || !cause.text.startsWith(notHeardYet)) this.#lastCause = cause;
  }

  /** Compressed where the destination asks for it, the node knows how, and this process has room. Throws `TunnelError`. */
  open(session: Session, metadata: CloudOpenMetadata): Stream {
    const { compression } = this.#parts;
    const knows = session.peer.features?.has('compress') === true;
    const hasRoom = compression.hasRoomFor(session.peer.scope);
    const compresses = this.#destination.compress === true && knows && hasRoom;
    if (!compresses) return this.#parts.open(session, metadata);
    return compression.wrap(this.#parts.open(session, { ...metadata, compress: 'zstd' }));
  }

  /** A node that does not know the protocol would dial another way than is asked. */
  #pick(): Session | null {
    if (this.#tried.size >= nodesTriedMax) return null;
    const { protocol } = this.#destination;
    const needs = featuresToDialCloud(protocol);
    const capable: Session[] = [];
    for (const session of this.#parts.sessions()) {
      if (!session.usable || this.#tried.has(session.peer.id)) continue;
      if (featuresLacking(needs, session.peer.features ?? noFeatures).length > 0) {
        this.#lastCause ??= outdated(protocol);
        continue;
      }
      capable.push(session);
    }
    return quietest(capable);
  }
}

/** How a node's RESET begins that does not know the destination. */
const notHeardYet = 'EDGE_DESTINATION_DELETED:';
const noFeatures: ReadonlySet<string> = new Set();
const noTunnel: CloudCause = { code: 'CLIENT_NO_TUNNEL', text: 'no tunnel to the platform is up' };

function outdated(protocol: string): CloudCause {
  const text = `the node is of a version that does not know ${protocol.toUpperCase()} destinations: update it`;
  return { code: 'CLIENT_NODE_OUTDATED', text };
}
