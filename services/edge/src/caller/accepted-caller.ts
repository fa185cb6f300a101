/**
 * The seam between the entrance and who serves a caller. The entrance (limits, PROXY header, server name, source rules,
 * TLS) makes an `AcceptedCaller` and hands it to the byte pipe or to the HTTP front, as the destination says.
 */
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { FrontRoute } from '@postern/contracts';
import type { CallerAddress } from '../access/judgement.ts';
import type { SocketName } from '../gate/proxy-header.ts';

/** What the handshake of a caller told, where the edge ended its TLS. */
export interface CallerTls {
  /** `TLSv1.3`. */
  version: string;
  cipher: string;
  /** What was agreed on by ALPN. */
  protocol: string | null;
  /** The caller's own certificate, verified; only of mutual TLS. Its chain says nothing of who it is. */
  certificate: X509Certificate | null;
}

/** A caller that has come through the entrance. Whoever is given it owns the socket and calls `leave` when it is over. */
export interface AcceptedCaller {
  readonly trackingId: string;
  readonly route: FrontRoute;
  /** When its connection was taken, in milliseconds since 1970. */
  readonly arrivedAt: number;
  /** The caller's own, also where a balancer is in between. */
  readonly address: CallerAddress;
  /** The address that it called. */
  readonly called: SocketName;
  /** A balancer that is trusted handed it on. */
  readonly throughBalancer: boolean;
  /** The name that it asked for in TLS, where that was read. */
  readonly serverName: string | null;
  readonly tls: CallerTls | null;
  /** Paused; a TLSSocket where the edge ended TLS. */
  readonly socket: Socket;
  /** What was read from the socket already, and comes before what it will give. */
  readonly head: Buffer;
  /** Its place among the callers is free again. Idempotent. */
  leave(): void;
}

/** A caller of the port that plain HTTP fronts share: each of its requests says whom it is for. */
export type NamelessCaller = Omit<AcceptedCaller, 'route'>;

/** Who calls whom; `leave` frees its place. */
export type CallerAbout = Pick<AcceptedCaller, 'trackingId' | 'route' | 'address' | 'arrivedAt' | 'leave'>;
