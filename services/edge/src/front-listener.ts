/** What a front listens with: a TCP server, or a UDP socket that sorts what comes into flows. Its life is the front's. */
import { type Socket, createServer } from 'node:net';
import type { DestinationFront } from '@postern/contracts';
import { type CallerEnd, type Flow, type FlowCounts, FlowListener } from '@postern/tunnel';

const keepAliveDelayMs = 60_000;
const backlog = 1024;

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
  return protocol === 'udp' ? listenForFlows(port, place, events) : listenForConnections(port, place, events);
}

function listenForConnections(
  port: number,
  { host, reusePort }: FrontPlace,
  events: ListenerEvents,
): FrontListener {
  const server = createServer({
    // A caller may end its direction and wait for the answer.
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveDelayMs,
    pauseOnConnect: true,
  });
  server.on('connection', (socket) => events.onConnection(socket));
  server.on('error', (error: NodeJS.ErrnoException) => events.onError(error));
  server.on('listening', () => events.onListening());
  server.listen({ host, port, reusePort, backlog });
  return {
    get listening() {
      return server.listening;
    },
    close: () => {
      // Accepted sockets are not the listener's to wait for; a failed one has nothing to close.
      if (server.listening) server.close();
    },
  };
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
