/**
 * Presence over links: what is announced on the bus goes to each neighbour too, and a neighbour's set can be asked for,
 * page by page. A node speaks for itself only; a frame of another's is passed over. A frame has 64 KiB, less than a
 * message of the bus. A client's own list fits beside all that a client may say of itself; one that did not would be
 * told as a list that allows nothing, because paths in it are for nodes to hold, and a client sees none.
 */
import type { LinkControl, NodeBeat, NodeSnapshot, TunnelNotice, TunnelPresence } from '@postern/contracts';
import type { Announcement } from '@postern/replica';
import { type Session, payloadBytesMax } from '@postern/tunnel';

const answerMsMax = 5_000;
const askedMax = 1_024;
/** What one tunnel may take of a frame. */
const tunnelBytesMax = payloadBytesMax - 2_048;
/** What a page of several may take: none is cut for want of room, so one that takes more is a page of its own. */
const pageBytesMax = payloadBytesMax / 2;

/** What it needs of the node. */
export interface LinkPresenceParts {
  /** A page of this node's own set. */
  page(after: string | undefined, bytesMax: number): NodeSnapshot;
  /** A neighbour announces. */
  onAnnounce(announcement: Announcement): void;
}

interface Asked {
  session: Session;
  resolve: (page: NodeSnapshot) => void;
}

/** Speaks presence on links. */
export class LinkPresence {
  readonly #parts: LinkPresenceParts;
  readonly #asked = new Map<number, Asked>();
  #ask = 0;

  constructor(parts: LinkPresenceParts) {
    this.#parts = parts;
  }

  announce(session: Session, { tunnel, beat }: Announcement): void {
    if (tunnel !== undefined) session.sendControl({ kind: 'presenceTunnel', notice: fitting(tunnel) });
    if (beat !== undefined) session.sendControl({ kind: 'presenceBeat', beat });
  }

  /** Rejects at the signal, or when the neighbour does not answer. */
  async ask(session: Session, after: string | undefined, signal: AbortSignal): Promise<NodeSnapshot> {
    // A signal that has come already tells nobody who listens from now on.
    signal.throwIfAborted();
    if (this.#asked.size >= askedMax) throw new Error('too many questions over links wait for an answer');
    const { promise, resolve, reject } = Promise.withResolvers<NodeSnapshot>();
    this.#ask = (this.#ask + 1) >>> 0;
    const ask = this.#ask;
    const either = AbortSignal.any([signal, AbortSignal.timeout(answerMsMax)]);
    const giveUp = (): void => reject(either.reason);
    either.addEventListener('abort', giveUp);
    this.#asked.set(ask, { session, resolve });
    session.sendControl({ kind: 'presenceAsk', ask, ...(after === undefined ? {} : { after }) });
    try {
      return await promise;
    } finally {
      either.removeEventListener('abort', giveUp);
      this.#asked.delete(ask);
    }
  }

  /** Takes what a neighbour says of presence. */
  handleControl(session: Session, body: Exclude<LinkControl, { kind: 'tunnelWanted' }>): void {
    switch (body.kind) {
      case 'presenceTunnel':
        if (isOf(session, body.notice)) this.#parts.onAnnounce({ tunnel: body.notice });
        break;
      case 'presenceBeat':
        if (isOf(session, body.beat)) this.#parts.onAnnounce({ beat: body.beat });
        break;
      case 'presenceAsk':
        session.sendControl({ kind: 'presencePage', ask: body.ask, page: this.#page(body.after) });
        break;
      case 'presencePage': {
        const asked = this.#asked.get(body.ask);
        if (asked?.session === session && isOf(session, body.page)) asked.resolve(body.page);
      }
    }
  }

  #page(after: string | undefined): NodeSnapshot {
    const page = this.#parts.page(after, pageBytesMax);
    return { ...page, tunnels: page.tunnels.map(fittingTunnel) };
  }
}

function isOf({ peer }: Session, { node, bootId }: Pick<NodeBeat, 'node' | 'bootId'>): boolean {
  return node === peer.id && bootId === peer.bootId;
}

function fitting(notice: TunnelNotice): TunnelNotice {
  return notice.up === undefined ? notice : { ...notice, up: fittingTunnel(notice.up) };
}

function fittingTunnel(tunnel: TunnelPresence): TunnelPresence {
  if (tunnel.ownRules === null || Buffer.byteLength(JSON.stringify(tunnel)) <= tunnelBytesMax) return tunnel;
  return { ...tunnel, ownRules: [] };
}
