/** What a front listens with: a TCP server, or a UDP socket that sorts what comes into flows. Its life is the front's. */
import type { Socket } from 'node:net';
import type { DestinationFront } from '@postern/contracts';
import {
  type CallerEnd,
  ConnectionListener,
  type Flow,
  type FlowCounts,
  FlowListener,
} from '@postern/tunnel';

/** Where fronts listen. */
export interface FrontPlace {
  host: string;
  reusePort: boolean;
  flowsPerFrontMax: number;
}

/** Told of what listens, and given who comes. */
export interface ListenerEvents {
  onListening(): void;
  /** It cannot listen, or no longer. */
  onError(error: NodeJS.ErrnoException): void;
  /** A connection, which is paused and unread. */
  onConnection(socket: Socket): void;
  onFlow(flow: Flow): void;
  /** A caller that is not known yet came when there were `flowsPerFrontMax`. */
  onFull(address: CallerEnd['address']): void;
}

/** Listens from when it is made until `close` or an error. */
export interface FrontListener {
  readonly listening: boolean;
  /** Flows that are known, and datagrams so far; undefined for TCP. */
  readonly udp?: FlowCounts & { flows: number };
  /** Takes no more callers; those it took go on. */
  close(): void;
}

/** Listens on the port of a front. */
export function listenFor(
  { port, protocol }: Pick<DestinationFront, 'port' | 'protocol'>,
  place: FrontPlace,
  events: ListenerEvents,
): FrontListener {
  if (protocol === 'udp') return listenForFlows(port, place, events);
  const { host, reusePort } = place;
  return new ConnectionListener({
    host,
    port,
    reusePort,
    onConnection: (socket) => events.onConnection(socket),
    onListening: () => events.onListening(),
    onError: (error) => events.onError(error),
  });
}

function listenForFlows(
  port: number,
  { host, reusePort, flowsPerFrontMax: flowsMax }: FrontPlace,
  events: ListenerEvents,
): FrontListener {
  const listener = new FlowListener({
    host,
    port,
    reusePort,
    flowsMax,
    onFlow: (flow) => events.onFlow(flow),
    onFull: (address) => events.onFull(address),
    onListening: () => events.onListening(),
    onError: (error) => events.onError(error),
  });
  return {
    get listening() {
      return listener.listening;
    },
    get udp() {
      return { flows: listener.size, ...listener.counts };
    },
    close: () => listener.close(),
  };
}
