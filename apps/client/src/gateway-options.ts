/** What one gateway's client is made with, and how it says that it has come to its end. */
import type { AccessList } from '@postern/access';
import type { FileReserve, Logger } from '@postern/telemetry';
import type { Compression } from '@postern/tunnel';
import type { CertificatesParts } from './resource/certificates.ts';
import type { Dialer } from './platform/dialer.ts';
import type { Identity } from './platform/identity.ts';
import type { KeeperOptions } from './keeper/keeper-event.ts';
import type { ClientOptions } from './options.ts';
import type { TracingSource } from './traces.ts';

/** How a gateway's client came to its end. */
export type GatewayEnd = { kind: 'ended' | 'usedUp'; reason: string };

/** What one gateway's client is made with. */
export interface GatewayClientOptions
  extends Omit<KeeperOptions, 'random'>, Pick<ClientOptions, 'hosts' | 'listenHost' | 'callersMax' | 'http'> {
  readonly gatewayId: string;
  readonly readToken: () => string | null;
  readonly ownList: AccessList | null;
  readonly identity: Identity;
  readonly facts: { name: string; version: string; platform: string };
  readonly dialer: Dialer;
  /** The process's, shared by its gateways. */
  readonly compression: Compression;
  /** The process's, shared by its gateways. */
  readonly files: FileReserve;
  /** This process's key for what is sealed to it, and whom it believes. */
  readonly sealing: Pick<CertificatesParts, 'sealing' | 'trust'>;
  /** The part of the process's tunnel memory that this gateway may use. */
  readonly memoryShare: number;
  readonly logger: Logger;
  /** Null where no traces are wanted. */
  readonly tracing: TracingSource;
  /** The first tunnel is up. */
  readonly onConnected: (clientId: string) => void;
  /** The platform refused the last first call, or (null) no longer does. */
  readonly onRefused: (reason: string | null) => void;
  readonly onEnd: (end: GatewayEnd) => void;
}
