/**
 * One front: where one destination listens, for connections or for datagrams. It stays open while the destination exists,
 * also while that is disabled (its callers are turned away, its port stays its own).
 */
import type { Socket } from 'node:net';
import type { FrontRoute } from '@postern/contracts';
import type { Logger } from '@postern/telemetry';
import { type CallerEnd, CallerListener, type Flow, type FlowCounts } from '@postern/tunnel';
import { EdgeError } from '../errors.ts';
import { makePortErrorLog } from '../gate/gates.ts';

/** What a front needs of the node. */
export interface FrontParts {
  host: string;
  reusePort: boolean;
  /** Ports of this machine's processes, which no front may listen on: the process whose it is may be away for a moment. */
  machinePorts: ReadonlySet<number>;
  flowsPerFrontMax: number;
  logger: Logger;
  /** A connection, which is paused and unread. */
  onConnection(front: Front, socket: Socket): void;
  onFlow(front: Front, flow: Flow): void;
  /** A caller that is not known yet came when there were `flowsPerFrontMax`. */
  onFlowsFull(front: Front, address: CallerEnd['address']): void;
}

/** What is shown of a front. */
export interface FrontState {
  destinationId: string;
  name: string;
  port: number;
  /** Whether callers are let in: destination and gateway are enabled. */
  enabled: boolean;
  listening: boolean;
  error: string | null;
  /** Of a UDP front: its flows, and datagrams since it was opened. */
  udp?: FlowCounts & { flows: number };
}

/** The front of one destination. */
export class Front {
  readonly #parts: FrontParts;
  readonly #counts: FlowCounts = { fromCallers: 0, toCallers: 0, dropped: 0 };
  #firstTry = Promise.withResolvers<void>();
  #route: FrontRoute;
  #listener: CallerListener;

  constructor(parts: FrontParts, route: FrontRoute) {
    this.#parts = parts;
    this.#route = route;
    this.#listener = this.#listen();
  }

  /** The destination as it is now. */
  get route(): FrontRoute {
    return this.#route;
  }

  /** Resolves when it listens where it is to be now, or could not at the first try. */
  get tried(): Promise<void> {
    return this.#firstTry.promise;
  }

  get listening(): boolean {
    return this.#listener.listening;
  }

  get state(): FrontState {
    const { id, name, front, enabled, gatewayEnabled } = this.#route;
    const { listening, error, flows } = this.#listener;
    return {
      destinationId: id,
      name,
      port: front.port,
      enabled: enabled && gatewayEnabled,
      listening,
      error: error === null ? null : `${error.code ?? 'ERROR'}: ${error.message}`,
      ...(front.protocol === 'udp' ? { udp: { flows, ...this.#counts } } : {}),
    };
  }

  /** The destination changed; only another port touches what listens. */
  update(route: FrontRoute): void {
    const moved = route.front.port !== this.#route.front.port;
    this.#route = route;
    if (!moved) return;
    this.close();
    this.#firstTry = Promise.withResolvers<void>();
    this.#listener = this.#listen();
  }

  /** Takes no more callers. Those it took go on. Idempotent. */
  close(): void {
    this.#listener.close();
    this.#firstTry.resolve();
  }

  #listen(): CallerListener {
    const { gatewayId: scope, front } = this.#route;
    const { port, protocol } = front;
    const { host, reusePort, machinePorts, flowsPerFrontMax: flowsMax, ...parts } = this.#parts;
    const isMachines = protocol !== 'udp' && machinePorts.has(port);
    return new CallerListener({
      protocol: protocol === 'udp' ? 'udp' : 'tcp',
      host,
      port,
      reusePort,
      fault: isMachines
        ? new EdgeError('EDGE_FRONT_PORT_OWN', `port ${port} is one of the node's own`)
        : null,
      scope,
      flowsMax,
      counts: this.#counts,
      onConnection: (socket) => parts.onConnection(this, socket),
      onFlow: (flow) => parts.onFlow(this, flow),
      onFull: (address) => parts.onFlowsFull(this, address),
      onNotAccepted: makePortErrorLog(parts.logger, () => port),
      onState: (error) => this.#handleState(error),
    });
  }

  #handleState(error: Error | null): void {
    this.#firstTry.resolve();
    const { id: destinationId, gatewayId, name, front } = this.#route;
    const about = { destinationId, gatewayId, port: front.port, protocol: front.protocol };
    if (error === null) this.#parts.logger.info(about, `front of ${name} listens`);
    else this.#parts.logger.error({ ...about, error }, 'a front cannot listen');
  }
}
