/** The tunnels that one gateway's client has, under the numbers that its keeper gave them. */
import type { Session } from '@postern/tunnel';

/** See the head of this file. */
export class HeldTunnels {
  readonly #sessions = new Map<number, Session>();

  get size(): number {
    return this.#sessions.size;
  }

  /** How many take streams. */
  get usableCount(): number {
    return [...this.#sessions.values()].filter(({ usable }) => usable).length;
  }

  /** All of them. */
  all(): Iterable<Session> {
    return this.#sessions.values();
  }

  get(id: number): Session | undefined {
    return this.#sessions.get(id);
  }

  /** The number of a tunnel; null for one that is none of these. */
  idOf(session: Session): number | null {
    for (const [id, one] of this.#sessions) if (one === session) return id;
    return null;
  }

  add(id: number, session: Session): void {
    this.#sessions.set(id, session);
  }

  /** Forgets one and says under which number it was. */
  remove(session: Session): number | null {
    const id = this.idOf(session);
    if (id !== null) this.#sessions.delete(id);
    return id;
  }

  /** For `/status`. */
  status(): object[] {
    return [...this.#sessions.values()].map((session) => ({
      node: session.peer.id,
      transport: session.transport,
      streams: session.streamCount,
      roundTripMs: session.roundTripMs,
    }));
  }
}

/** The one with the fewest streams of those that take more and answer, so that nodes share what is begun here; else one that does not answer. */
export function quietest(sessions: Iterable<Session>): Session | null {
  let best: Session | null = null;
  for (const session of sessions) {
    if (session.usable && (best === null || isQuieter(session, best))) best = session;
  }
  return best;
}

function isQuieter(session: Session, than: Session): boolean {
  if (session.quiet !== than.quiet) return than.quiet;
  return session.streamCount < than.streamCount;
}
