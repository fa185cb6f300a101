/** The tunnels that one gateway's client has, under the numbers that its keeper gave them. */
import type { Session } from '@postern/tunnel';

/** See the head of this file. */
export class HeldTunnels {
  readonly #sessions = new Map<number, Session>();
  /** What waits until a session is one of these. */
  readonly #early = new WeakMap<Session, (() => void)[]>();

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

  /** A tunnel is up. What came before is heard when whoever adds it is done with that. */
  add(id: number, session: Session): void {
    this.#sessions.set(id, session);
    for (const work of this.#early.get(session) ?? []) queueMicrotask(work);
    this.#early.delete(session);
  }

  /** Does the work now, or when the session is one of these: what comes behind WELCOME in one piece is read before. */
  whenUp(session: Session, work: () => void): void {
    if (this.idOf(session) !== null) return work();
    const early = this.#early.get(session);
    if (early === undefined) this.#early.set(session, [work]);
    else early.push(work);
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
