/**
 * Connections to resources that wait for the next request, by destination. One is only ever used again for the
 * destination that it was opened for, as that is now, and through the same process. The one used last is taken first,
 * so that a quiet time lets the others go.
 */
import { ResetCode } from '@postern/tunnel';
import type { HttpBounds } from './bounds.ts';
import type { ResourceConnection } from './resource-connection.ts';

/** A resource that says how long it keeps a connection is taken at its word less this. */
const keepAliveMarginMs = 1_000;
/** One that was ended in order and is not over by then is reset. */
const closingMsMax = 5_000;

/** All kept connections of one end. */
export class ConnectionPool {
  readonly #bounds: HttpBounds;
  readonly #idle = new Map<string, ResourceConnection[]>();
  readonly #closing = new Map<ResourceConnection, number>();
  #size = 0;

  constructor(bounds: HttpBounds) {
    this.#bounds = bounds;
  }

  /** Connections that wait. */
  get size(): number {
    return this.#size;
  }

  /** Takes one to this resource by this process; one over a tunnel that does not answer at present stays, as does one that has waited too long. */
  take(destinationId: string, peerId: string, resourceKey: string): ResourceConnection | null {
    const idle = this.#idle.get(destinationId);
    if (idle === undefined) return null;
    const now = performance.now();
    for (let index = idle.length - 1; index >= 0; index -= 1) {
      const connection = idle[index] as ResourceConnection;
      const isSame = connection.peerId === peerId && connection.resourceKey === resourceKey;
      if (!isSame || this.#isStale(connection, now) || connection.stream.quiet) continue;
      this.#removeAt(destinationId, idle, index);
      return connection;
    }
    return null;
  }

  /** Keeps it for the next request; above the bound the one that waited longest goes. */
  put(destinationId: string, connection: ResourceConnection): void {
    connection.idleSince = performance.now();
    const idle = this.#idle.get(destinationId);
    if (idle === undefined) this.#idle.set(destinationId, [connection]);
    else idle.push(connection);
    this.#size += 1;
    if (idle !== undefined && idle.length > this.#bounds.resourceKeptMax) {
      this.close(this.#removeAt(destinationId, idle, 0));
    }
  }

  /** Ends one in order; it is reset when the resource does not end its side. */
  close(connection: ResourceConnection): void {
    connection.close();
    if (connection.stream.phase !== 'over') this.#closing.set(connection, performance.now());
  }

  /** One is over: it is kept no longer. */
  forget(destinationId: string, connection: ResourceConnection): void {
    this.#closing.delete(connection);
    const idle = this.#idle.get(destinationId);
    const index = idle?.indexOf(connection) ?? -1;
    if (idle !== undefined && index >= 0) this.#removeAt(destinationId, idle, index);
  }

  /** Ends those of a destination in order that nobody will use any more. */
  end(destinationId: string, which: (connection: ResourceConnection) => boolean): void {
    for (const connection of (this.#idle.get(destinationId) ?? []).filter(which)) {
      this.forget(destinationId, connection);
      this.close(connection);
    }
  }

  /** Resets those of a destination that may not be used any more. */
  reset(
    destinationId: string,
    code: ResetCode,
    text: string,
    which: (connection: ResourceConnection) => boolean,
  ): void {
    const gone = (this.#idle.get(destinationId) ?? []).filter(which);
    for (const connection of gone) {
      this.forget(destinationId, connection);
      connection.reset(code, text);
    }
  }

  /** Destinations that have any. */
  destinations(): string[] {
    return [...this.#idle.keys()];
  }

  /** Called about once a second: lets those go that have waited too long. */
  tick(now: number): void {
    for (const [destinationId, idle] of this.#idle) {
      for (const connection of idle.filter((one) => this.#isStale(one, now))) {
        this.forget(destinationId, connection);
        this.close(connection);
      }
    }
    for (const [connection, since] of this.#closing) {
      if (now - since < closingMsMax) continue;
      this.#closing.delete(connection);
      connection.reset(
        ResetCode.Cancelled,
        'the resource did not end its side of a connection that was kept',
      );
    }
  }

  /** Ends all. */
  closeAll(): void {
    for (const destinationId of this.destinations()) {
      this.reset(destinationId, ResetCode.ShuttingDown, 'the program is stopping', () => true);
    }
  }

  #isStale(connection: ResourceConnection, now: number): boolean {
    const { resourceKeepAliveMs } = this.#bounds;
    const told = connection.keepAliveMs === null ? Infinity : connection.keepAliveMs - keepAliveMarginMs;
    return !connection.usable || now - connection.idleSince >= Math.min(resourceKeepAliveMs, told);
  }

  #removeAt(destinationId: string, idle: ResourceConnection[], index: number): ResourceConnection {
    const [connection] = idle.splice(index, 1);
    this.#size -= 1;
    if (idle.length === 0) this.#idle.delete(destinationId);
    return connection as ResourceConnection;
  }
}
