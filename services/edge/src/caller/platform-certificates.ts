/**
 * The certificate of fronts below the platform's host that name none of their own. It is the node's server certificate,
 * whose wildcard is good for them. It is good for the platform's names and for other such fronts, too: so who asks for one
 * of those and was led to a front's own port is turned away, or that front's resource could pose as them. Below a host of
 * one label (`localhost`) no program takes a wildcard, so there each front gets a certificate in its own name, which is
 * asked for when its route is first known and renewed like the node's own.
 */
import { X509Certificate } from 'node:crypto';
import {
  type HeldCertificate,
  KeptCertificate,
  type KeptCertificateOptions,
} from '@postern/kept-certificate';
import type { FrontRoute } from '@postern/contracts';
import { turnedAway } from '../errors.ts';
import { endsTls } from './tls-ends.ts';

/** What it needs of the node. */
export interface PlatformCertificatesParts extends Omit<KeptCertificateOptions, 'names'> {
  platformHost: string;
  /** The node's own, with its wildcard. */
  own: KeptCertificate;
}

interface Named {
  host: string;
  certificate: KeptCertificate;
  /** Resolves when it is here, or no longer wanted. */
  here: Promise<void>;
  stopping: AbortController;
}

/** All of them. */
export class PlatformCertificates {
  readonly #parts: PlatformCertificatesParts;
  readonly #named = new Map<string, Named>();

  constructor(parts: PlatformCertificatesParts) {
    this.#parts = parts;
  }

  /** What a front is served with; null before there is one. */
  of({ id }: FrontRoute): HeldCertificate | null {
    const { own, platformHost } = this.#parts;
    if (platformHost.includes('.')) return own.current;
    return this.#named.get(id)?.certificate.current ?? null;
  }

  /** Throws `TurnedAway` where a caller asked for a name that is not the front's, and that the node's own is good for. */
  demandName({ front }: FrontRoute, serverName: string | null): void {
    const { own, platformHost } = this.#parts;
    const isShared = front.tls.certificateId === null && platformHost.includes('.');
    const host = front.host.toLowerCase().replace(/\.$/, '');
    if (!isShared || serverName === null || serverName === host || own.current === null) return;
    if (new X509Certificate(own.current.chainPem).checkHost(serverName) === undefined) return;
    const text = `the caller asked for ${serverName}, and this front is ${host}`;
    throw turnedAway('EDGE_TLS_HANDSHAKE', text);
  }

  /** A destination is new or another; null when it is gone. */
  apply(destinationId: string, route: FrontRoute | null): void {
    const host = route !== null && this.#needsOne(route) ? route.front.host.toLowerCase() : null;
    const known = this.#named.get(destinationId);
    if (known?.host === host) return;
    known?.stopping.abort();
    this.#named.delete(destinationId);
    if (host === null) return;
    const certificate = new KeptCertificate({ ...this.#parts, names: [host] });
    const stopping = new AbortController();
    const here = certificate.start(stopping.signal);
    this.#named.set(destinationId, { host, certificate, here, stopping });
  }

  /** Resolves when those that are wanted now are here. */
  async complete(): Promise<void> {
    await Promise.all([...this.#named.values()].map(({ here }) => here));
  }

  /** Asks for no more. Idempotent. */
  stop(): void {
    for (const { stopping } of this.#named.values()) stopping.abort();
    this.#named.clear();
  }

  #needsOne(route: FrontRoute): boolean {
    const isNamed = route.front.tls.certificateId === null && !this.#parts.platformHost.includes('.');
    return isNamed && endsTls(route);
  }
}
