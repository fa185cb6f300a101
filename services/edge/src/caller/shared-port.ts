/**
 * A port that many share: the platform's own, with the fronts that a server name tells apart, and the one of the plain
 * HTTP fronts, which Host tells apart. It listens and hands each connection to the entrance, unread.
 */
import type { Socket } from 'node:net';
import type { Logger } from '@postern/telemetry';
import { ConnectionListener } from '@postern/tunnel';
import { makePortErrorLog } from '../gate/gates.ts';

/** Where it listens, and who takes its connections. */
export interface SharedPortParts {
  readonly host: string;
  readonly port: number;
  readonly reusePort: boolean;
  readonly logger: Logger;
  onConnection(socket: Socket): void;
}

/** One listener. */
export class SharedPort {
  readonly #parts: SharedPortParts;
  #listener: ConnectionListener | null = null;

  constructor(parts: SharedPortParts) {
    this.#parts = parts;
  }

  get listening(): boolean {
    return this.#listener?.listening === true;
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  async listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#listener = new ConnectionListener({
      ...this.#parts,
      onListening: resolve,
      onError: reject,
      onNotAccepted: makePortErrorLog(this.#parts.logger, () => this.port),
    });
    await promise;
  }

  /** Takes no more connections. Idempotent. */
  close(): void {
    this.#listener?.close();
  }
}
