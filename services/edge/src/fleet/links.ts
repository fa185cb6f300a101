/**
 * The links of this node: one session with each other node, over mutual TLS with certificates of the cluster's CA. It
 * carries the streams that one relays for the other, and presence, which so outlives the bus.
 *
 *     known by its beat ──lower name dials──► dialling ──► up ──broken, or nothing heard for linkSilenceMsMax──► known
 *                              ▲                                                                        │
 *                              └────────────────── at once, then with growing waits ◄──────────────────┘
 *
 * Bounds: one link and one dial for each node of the presence table; half-open ones are the gate's.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import type { HeldCertificate, KeptCertificate } from '@postern/kept-certificate';
import { LinkControl } from '@postern/contracts';
import type { Announcement, AskPage } from '@postern/replica';
import type { LineLimit, Logger } from '@postern/telemetry';
import { connectTls } from '@postern/tls';
import {
  type Carrier,
  type Endpoint,
  type Peer,
  type ProcessName,
  type Session,
  TunnelError,
  tlsCarrier,
} from '@postern/tunnel';
import { Compile } from 'typebox/compile';
import type { HandshakeGate } from '../gate/handshake-gate.ts';
import { type LinkSelf, acceptingLink, diallingLink, dialsLink, identityOf } from './link-handshake.ts';
import { LinkPresence, type LinkPresenceParts } from './link-presence.ts';
import { TunnelServer } from '../client/tunnel-server.ts';

/** A link on which nothing was heard for longer is dead: beats come each second, and behind bulk on a slow way the bulk does. */
export const linkSilenceMsMax = 6_000;
const tickMs = 1_000;
const dialTimeoutMs = 5_000;
const redialMs = { first: 100, last: 2_000 };

const controlCheck = Compile(LinkControl);

/** Where a node waits for links. */
export interface LinkAddress {
  node: string;
  host: string;
  port: number;
}

/** What links need of the node. */
export interface LinksParts extends Pick<LinkPresenceParts, 'page' | 'onAnnounce'> {
  self: LinkSelf;
  endpoint: Endpoint;
  certificate: KeptCertificate;
  host: string;
  port: number;
  gate: HandshakeGate;
  logger: Logger;
  lines: LineLimit;
  /** Nodes that are known now. */
  known(): readonly LinkAddress[];
  onUp(node: string): void;
  onDown(node: string): void;
  onFailure(code: string): void;
  /** A neighbour wants a client of this node's to open a tunnel to it. */
  onTunnelWanted(node: string, gatewayId: string, client: ProcessName): void;
}

/** All links. */
export class Links {
  readonly #parts: LinksParts;
  readonly #links = new Map<string, Session>();
  readonly #dialling = new Set<string>();
  readonly #presence: LinkPresence;
  readonly #closing = new AbortController();
  #server: TunnelServer | null = null;
  #timer: NodeJS.Timeout | null = null;
  #tickedAt = 0;
  /** Since when this process has listened. */
  #awakeSince = 0;

  constructor(parts: LinksParts) {
    this.#parts = parts;
    this.#presence = new LinkPresence(parts);
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  /** The nodes to which a link is up. */
  get nodes(): string[] {
    return [...this.#links.keys()];
  }

  /** Takes links from now on, and dials those that are this node's to dial. */
  async open(certificate: HeldCertificate): Promise<void> {
    const { host, port, gate, logger } = this.#parts;
    const accept = (carrier: Carrier, socket: TLSSocket): Promise<void> => this.#accept(carrier, socket);
    const onTlsError = (): void => this.#parts.onFailure('TLS');
    const common = { host, port, gate, certificate, accept, onTlsError, logger };
    const server = new TunnelServer({ ...common, mutual: true });
    this.#server = server;
    this.#parts.certificate.onRenewed((renewed) => server.useCertificate(renewed));
    await server.listen();
    this.#tickedAt = performance.now();
    this.#timer = setInterval(() => this.#tick(), tickMs);
    this.#timer.unref();
    this.dial();
  }

  /** All that are up. */
  all(): Iterable<Session> {
    return this.#links.values();
  }

  /** The link to a node, where it takes streams. */
  to(node: string): Session | null {
    const session = this.#links.get(node);
    return session?.usable === true ? session : null;
  }

  /** Dials whom it is this node's to dial and who has no link. */
  dial(): void {
    if (this.#timer === null) return;
    for (const address of this.#parts.known()) {
      const { node } = address;
      if (!dialsLink(this.#parts.self.node, node)) continue;
      if (this.#links.has(node) || this.#dialling.has(node)) continue;
      this.#dialling.add(node);
      void this.#keepDialling(node).finally(() => this.#dialling.delete(node));
    }
  }

  /** Tells all neighbours. */
  announce(announcement: Announcement): void {
    for (const session of this.#links.values()) this.#presence.announce(session, announcement);
  }

  /** Asks a node for a page of its tunnels; rejects where there is no link. */
  readonly askPage: AskPage = (node, after, signal) => {
    const session = this.to(node);
    if (session === null) return Promise.reject(new Error(`there is no link to ${node}`));
    return this.#presence.ask(session, after, signal);
  };

  /** Takes CONTROL of a session; false when that is no link. */
  handleControl(session: Session, body: unknown): boolean {
    const node = session.peer.id;
    if (this.#links.get(node) !== session) return false;
    if (!controlCheck.Check(body)) return true;
    if (body.kind === 'tunnelWanted') this.#parts.onTunnelWanted(node, body.gateway, body.client);
    else this.#presence.handleControl(session, body);
    return true;
  }

  /** The other node takes no more: streams that it relays for this one go on elsewhere where they can. */
  handleGoAway(session: Session): void {
    if (this.#links.get(session.peer.id) === session) this.#parts.endpoint.moveStreams(session);
  }

  /** A session has closed. */
  handleClose(session: Session, cause: TunnelError): void {
    const node = session.peer.id;
    if (this.#links.get(node) !== session) return;
    this.#links.delete(node);
    this.#parts.logger.info({ node, code: cause.code }, `a link is down: ${cause.message}`);
    this.#parts.onDown(node);
    this.dial();
  }

  /** Ends all. */
  close(): void {
    this.#closing.abort();
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#server?.close();
  }

  async #accept(carrier: Carrier, socket: TLSSocket): Promise<void> {
    const { endpoint, self } = this.#parts;
    // A node dials again only when its end is gone, whatever this end still believes.
    const replace = (peer: Peer): void => {
      this.#links.get(peer.id)?.destroy(new TunnelError('TUNNEL_CLOSED', 'the node dialled anew'));
    };
    try {
      this.#handleUp(await endpoint.accept(carrier, acceptingLink(self, socket, replace)));
    } catch (error) {
      this.#noteFailure(error, carrier.remoteAddress);
    }
  }

  /** Until it is up, or the node is not known any more. */
  async #keepDialling(node: string): Promise<void> {
    const { signal } = this.#closing;
    for (let waitMs = redialMs.first; !signal.aborted; waitMs = Math.min(waitMs * 2, redialMs.last)) {
      const address = this.#parts.known().find((one) => one.node === node);
      if (address === undefined || this.#links.has(node)) return;
      try {
        this.#handleUp(await this.#dialOnce(address));
        return;
      } catch (error) {
        this.#noteFailure(error, `${address.host}:${address.port}`, node);
      }
      await sleep(waitMs * (0.5 + Math.random()), undefined, { signal, ref: false }).catch(() => {});
    }
  }

  async #dialOnce({ node, host, port }: LinkAddress): Promise<Session> {
    const { certificate, endpoint, self } = this.#parts;
    if (certificate.current === null) throw new Error('there is no certificate yet');
    const { chainPem, keyPem, caPem } = certificate.current;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(dialTimeoutMs)]);
    const trust = { chainPem, keyPem, caPem, tunnel: true, serverName: identityOf(node) };
    const socket = await connectTls({ host, port, signal, ...trust });
    socket.setNoDelay(true);
    return endpoint.connect(tlsCarrier(socket), diallingLink(self, node));
  }

  #handleUp(session: Session): void {
    if (session.closed) return;
    const node = session.peer.id;
    this.#links.set(node, session);
    this.#parts.logger.info({ node, address: session.remoteAddress }, 'a link is up');
    this.#parts.onUp(node);
  }

  #tick(): void {
    const now = performance.now();
    // Whoever was stopped itself for so long has not listened.
    if (now - this.#tickedAt >= 2 * tickMs) this.#awakeSince = now;
    this.#tickedAt = now;
    for (const [node, session] of this.#links) {
      if (now - Math.max(session.heardAt, this.#awakeSince) <= linkSilenceMsMax) continue;
      session.destroy(
        new TunnelError('TUNNEL_DEAD', `nothing was heard of ${node} for ${linkSilenceMsMax / 1000} s`),
      );
    }
    this.dial();
  }

  #noteFailure(error: unknown, address: string, node?: string): void {
    if (this.#closing.signal.aborted) return;
    const code =
      error instanceof Error && 'code' in error && typeof error.code === 'string'
        ? error.code
        : 'EDGE_INTERNAL';
    this.#parts.onFailure(code);
    const more = this.#parts.lines.take();
    if (more === null) return;
    const reason = error instanceof Error ? error.message : String(error);
    this.#parts.logger.info({ code, address, node, reason, ...more }, 'a link was not made');
  }
}
