/** What a front listens with: a TCP server, or a UDP socket that sorts what comes into flows. Its life is the front's. */
import { type Socket, createServer } from 'node:net';
import { type CallerEnd, type Flow, type FlowCounts, FlowListener } from '@postern/tunnel';
import type { Front } from './front.ts';

const keepAliveDelayMs = 60_000;
const backlog = 1024;

/** Where fronts listen, and who takes their callers. */
export interface FrontListenerParts {
  host: string;
  reusePort: boolean;
  flowsPerFrontMax: number;
  /** A connection, which is paused and unread. */
  onConnection(front: Front, socket: Socket): void;
  onFlow(front: Front, flow: Flow): void;
  /** A caller that is not known yet came when there were `flowsPerFrontMax`. */
  onFlowsFull(front: Front, address: CallerEnd['address']): void;
}

/** Told of each listener. */
export interface ListenerEvents {
  onListening(): void;
  /** It cannot listen, or no longer. */
  onError(error: NodeJS.ErrnoException): void;
}

/** Listens from when it is made until `close` or an error. */
export interface FrontListener {
  readonly listening: boolean;
  /** Flows that are known, and datagrams so far; undefined for TCP. */
  readonly udp?: FlowCounts & { flows: number };
  /** Takes no more callers; those it took go on. */
  close(): void;
}

/** Listens on the port that the front has now. */
export function listenFor(front: Front, parts: FrontListenerParts, events: ListenerEvents): FrontListener {
  return front.route.front.protocol === 'udp'
    ? listenForFlows(front, parts, events)
    : listenForConnections(front, parts, events);
}

function listenForConnections(
  front: Front,
  parts: FrontListenerParts,
  events: ListenerEvents,
): FrontListener {
  const { host, reusePort } = parts;
  const server = createServer({
    // A caller may end its direction and wait for the answer.
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveDelayMs,
    pauseOnConnect: true,
  });
  server.on('connection', (socket) => parts.onConnection(front, socket));
  server.on('error', (error: NodeJS.ErrnoException) => events.onError(error));
  server.on('listening', () => events.onListening());
  server.listen({ host, port: front.route.front.port, reusePort, backlog });
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

function listenForFlows(front: Front, parts: FrontListenerParts, events: ListenerEvents): FrontListener {
  const { host, reusePort, flowsPerFrontMax: flowsMax } = parts;
  const listener = new FlowListener({
    host,
    port: front.route.front.port,
    reusePort,
    flowsMax,
    onFlow: (flow) => parts.onFlow(front, flow),
    onFull: (address) => parts.onFlowsFull(front, address),
    ...events,
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
