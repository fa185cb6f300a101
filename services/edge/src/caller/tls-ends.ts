/**
 * Where the edge ends a caller's TLS: one end for each destination, with its own certificate, client CAs, revocation
 * lists and session tickets. An end is made anew when any of them has changed: handshakes from then on take the new
 * one, connections that are open stay as they are, and no ticket of the former one is taken. So a session never
 * outlives the certificate, the CA or the list under which it was allowed, and never reaches another destination. The same
 * when a CA or a list comes to its own end, which OpenSSL looks at in whole handshakes only.
 * Tickets are good at every node that serves the same: their keys are made of a secret of the cluster, of the destination,
 * and of all that makes an end another. Where certstore gave no such secret, they are good at the node that gave them.
 *
 *     end(route, socket) ──made of the same──► end ──handshake──► caller's certificate allowed ──► EndedTls
 *              └──────────another──► made anew ──┘        └── fault, in plain words ──► TurnedAway
 */
import { X509Certificate, createHash, hkdfSync } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TLSSocket, TlsOptions } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import type { HeldCertificate } from '@postern/kept-certificate';
import type { FrontRoute } from '@postern/contracts';
import { splitChain } from '@postern/tls';
import {
  CallerGone,
  TlsAcceptor,
  callerHandshakeFault,
  contextOptions,
  readRevocationLists,
  serverNameOf,
} from '@postern/tls/accept';
import type { CallerTls } from './accepted-caller.ts';
import { whyNotAllowed } from './caller-certificate.ts';
import { TurnedAway, turnedAway } from '../errors.ts';
import type { RevocationLists } from '../certificate/revocation-lists.ts';

/** A handshake that succeeded. */
export interface EndedTls {
  socket: TLSSocket;
  tls: CallerTls;
  serverName: string | null;
}

/** A certificate, or the CAs in a bundle, in one version of its contents. */
export interface FrontMaterial {
  id: string;
  revision: number;
  chainPem: string;
  keyPem: string | null;
  notAfter: string;
}

/** Where the ends take what they serve with. */
export interface TlsEndsParts {
  certificates: {
    get(id: string): FrontMaterial | undefined;
    /** Why there is none. */
    refusal(id: string): { message: string } | undefined;
    /** The cluster's secret for session tickets; null while there is none. */
    readonly sessionTickets: { revision: number; secret: string } | null;
  };
  /** The platform's own, for fronts below its host that have none. */
  platformCertificate(route: FrontRoute): HeldCertificate | null;
  revocationLists: RevocationLists;
}

/** All ends of a node. */
export class TlsEnds {
  readonly #parts: TlsEndsParts;
  readonly #ends = new Map<string, TlsEnd>();

  constructor(parts: TlsEndsParts) {
    this.#parts = parts;
  }

  /** Makes the handshake on a connected socket; rejects with `TurnedAway`, with the socket still the caller's to end. */
  async end(route: FrontRoute, socket: Socket): Promise<EndedTls> {
    const ended = await this.#endOf(route).handshake(socket);
    if (route.front.tls.mode === 'server') return ended;
    const why = whyNotAllowed(ended.socket, route.front.tls.clientNames);
    if (why !== null) throw turnedAway('EDGE_CLIENT_CERTIFICATE', why);
    const certificate = ended.socket.getPeerX509Certificate() ?? null;
    return { ...ended, tls: { ...ended.tls, certificate } };
  }

  /** Why this node cannot end the TLS of a front now, in words; null where it can, or need not. */
  whyNot(route: FrontRoute): string | null {
    if (!endsTls(route)) return null;
    try {
      this.#materialOf(route);
      return null;
    } catch (error) {
      if (error instanceof TurnedAway) return error.message;
      throw error;
    }
  }

  /** The destination is gone, or has no TLS any more. */
  forget(destinationId: string): void {
    this.#ends.delete(destinationId);
  }

  #endOf(route: FrontRoute): TlsEnd {
    const served = this.#served(route);
    const known = this.#ends.get(route.id);
    // The texts are the same objects until something changes, so this costs next to nothing.
    if (known !== undefined && isSame(known.madeOf, served.madeOf) && Date.now() < known.until) return known;
    const { secret = null } = this.#parts.certificates.sessionTickets ?? {};
    const made = new TlsEnd(served, route, secret);
    this.#ends.set(route.id, made);
    return made;
  }

  /** All that an end is made of; throws `TurnedAway` that says what is missing. */
  #materialOf(route: FrontRoute): { pair: Pair; cas: FrontMaterial[]; lists: string[] } {
    const { tls } = route.front;
    const isMutual = tls.mode === 'mutual';
    // First, since certificates come by themselves, and a list that the node may not fetch never does.
    const lists = isMutual ? this.#parts.revocationLists.of(route.id, tls) : [];
    const pair = tls.certificateId === null ? this.#platform(route) : this.#pair(tls.certificateId);
    const cas = isMutual ? tls.clientCaIds.map((id) => this.#material(id, 'client CA')) : [];
    return { pair, cas, lists };
  }

  #served(route: FrontRoute): Served {
    const { tls, protocol } = route.front;
    const isMutual = tls.mode === 'mutual';
    const { pair, cas, lists } = this.#materialOf(route);
    const { revision = 0 } = this.#parts.certificates.sessionTickets ?? {};
    const caNames = cas.map((ca) => `${ca.id} ${ca.revision}`);
    const madeOf = [pair.version, protocol, tls.mode, revision, cas.length, ...caNames, ...lists];
    return { madeOf, pair, caPems: cas.map((ca) => ca.chainPem), revocationLists: lists, isMutual };
  }

  #pair(id: string): Pair {
    const { chainPem, keyPem, revision, notAfter } = this.#material(id, 'certificate');
    if (keyPem === null) throw unfit(`the front's certificate ${id} has no private key`);
    return { chainPem, keyPem, notAfter, version: `${id} ${revision}` };
  }

  #platform(route: FrontRoute): Pair {
    const held = this.#parts.platformCertificate(route);
    if (held === null) throw unfit('the platform has no certificate yet');
    const { chainPem, keyPem, fingerprint, notAfter } = held;
    return { chainPem, keyPem, notAfter, version: fingerprint };
  }

  #material(id: string, what: string): FrontMaterial {
    const { certificates } = this.#parts;
    const material = certificates.get(id);
    if (material !== undefined) return material;
    const refusal = certificates.refusal(id);
    throw unfit(
      `the front's ${what} ${id} is not at this node${refusal === undefined ? ' yet' : `: ${refusal.message}`}`,
    );
  }
}

/** Whether the node ends the TLS of a front's callers. */
export function endsTls({ front }: FrontRoute): boolean {
  return front.tls.mode === 'server' || front.tls.mode === 'mutual';
}

/** Whether a front's TLS asks the same of callers as it did; what they are shown, and what the resource is told, is no matter. */
export function asksTheSame(now: FrontRoute, met: FrontRoute): boolean {
  const asked = ({ front: { tls } }: FrontRoute) => ({
    ...tls,
    certificateId: null,
    passClientCertificate: false,
  });
  return now === met || isDeepStrictEqual(asked(now), asked(met));
}

interface Pair {
  chainPem: string;
  keyPem: string;
  notAfter: string;
  version: string;
}

interface Served {
  /** All that makes an end another. */
  madeOf: readonly (string | number)[];
  pair: Pair;
  caPems: readonly string[];
  revocationLists: readonly string[];
  isMutual: boolean;
}

function isSame(one: Served['madeOf'], other: Served['madeOf']): boolean {
  return one.length === other.length && one.every((text, index) => text === other[index]);
}

class TlsEnd {
  readonly madeOf: Served['madeOf'];
  /** When the next of its CAs or lists ends. */
  readonly until: number;
  readonly #acceptor: TlsAcceptor;
  readonly #notAfter: string;

  /** `secret`: the cluster's, of which the key of session tickets is made. */
  constructor(served: Served, { id, front }: FrontRoute, secret: string | null) {
    this.madeOf = served.madeOf;
    this.#notAfter = served.pair.notAfter;
    try {
      this.until = nextEndOf(served, Date.now());
      const ticketKeys = secret === null ? null : ticketKeysOf(secret, id, [...served.madeOf, this.until]);
      this.#acceptor = new TlsAcceptor(optionsOf(served, ticketKeys, id, front.protocol));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw unfit(`the front's certificates cannot be used together: ${why}`);
    }
  }

  async handshake(socket: Socket): Promise<EndedTls> {
    try {
      return endedOf(await this.#acceptor.accept(socket));
    } catch (error) {
      if (error instanceof CallerGone) throw new TurnedAway(null);
      const text = callerHandshakeFault(error as Error, 'front', this.#notAfter);
      throw turnedAway('EDGE_TLS_HANDSHAKE', text);
    }
  }
}

/** When the next of the CAs and lists by which callers are verified ends; Infinity where none does. */
function nextEndOf({ caPems, revocationLists }: Served, now: number): number {
  const cas = caPems.flatMap(splitChain).map((pem) => new X509Certificate(pem).validToDate);
  const lists = revocationLists.flatMap((pem) => {
    const read = readRevocationLists(Buffer.from(pem));
    return read.kind === 'lists' ? read.nextUpdates : [];
  });
  return Math.min(...[...cas, ...lists].map(Number).filter((at) => at > now));
}

/** What OpenSSL names and seals tickets with: 16 bytes of name, 16 of HMAC and 16 of AES. */
function ticketKeysOf(secret: string, destinationId: string, madeOf: Served['madeOf']): Buffer {
  const use = createHash('sha256').update(JSON.stringify(madeOf)).digest('base64');
  const info = `postern session tickets\n${destinationId} ${use}`;
  return Buffer.from(hkdfSync('sha256', Buffer.from(secret, 'base64'), '', info, 48));
}

function optionsOf(
  served: Served,
  ticketKeys: Buffer | null,
  destinationId: string,
  protocol: string,
): TlsOptions {
  const { pair, caPems, revocationLists, isMutual } = served;
  return {
    ...(ticketKeys === null ? {} : { ticketKeys }),
    ...contextOptions({ chainPem: pair.chainPem, keyPem: pair.keyPem }),
    sessionIdContext: createHash('sha256').update(destinationId).digest('hex').slice(0, 32),
    // HTTP is what the edge itself speaks there; of any other protocol it knows nothing to agree on.
    ...(protocol === 'http' ? { ALPNProtocols: ['h2', 'http/1.1'] } : {}),
    ...(isMutual ? { requestCert: true, rejectUnauthorized: false, ca: [...caPems] } : {}),
    ...(revocationLists.length > 0 ? { crl: [...revocationLists] } : {}),
  };
}

function endedOf(socket: TLSSocket): EndedTls {
  const { alpnProtocol } = socket;
  return {
    socket,
    serverName: serverNameOf(socket),
    tls: {
      version: socket.getProtocol() ?? 'TLS',
      cipher: socket.getCipher().name,
      protocol: typeof alpnProtocol === 'string' ? alpnProtocol : null,
      certificate: null,
    },
  };
}

function unfit(text: string): TurnedAway {
  return turnedAway('EDGE_FRONT_CERTIFICATE', text);
}
