/** The settings of the edge: where it listens, how it is reached, and every bound of its doors. */
import {
  certificateNameForm,
  hostFormOrEmpty,
  httpSettings,
  logSettings,
  natsSettings,
  opsSettings,
  platformSettings,
  telemetrySettings,
} from '@postern/config';
import { Type, type Static } from 'typebox';

const port = (value: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 65535, default: value, placeholder: 'PORT', description });
const bound = (value: number, description: string, maximum = 1_000_000) =>
  Type.Integer({ minimum: 1, maximum, default: value, description });
const milliseconds = (value: number, description: string) =>
  Type.Integer({ minimum: 10, maximum: 3_600_000, default: value, description });

/** What `createEdge` needs to know; standalone gives it by itself, `main.ts` reads it from the process. */
export const edgeOptions = {
  name: Type.String({
    minLength: 1,
    maxLength: 63,
    pattern: '^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$',
    default: 'edge-1',
    placeholder: 'NAME',
    description: 'The name of this node, one of a kind among the nodes; a DNS label.',
  }),
  zone: Type.String({
    maxLength: 255,
    default: '',
    placeholder: 'ZONE',
    description: 'The failure domain of this node. Clients are sent to nodes of different zones.',
  }),
  ...platformSettings,
  listenHost: Type.String({
    minLength: 1,
    default: '0.0.0.0',
    placeholder: 'HOST',
    description: 'The address of the connect port and the tunnel port.',
  }),
  connectPort: port(
    443,
    'Where clients make their first call and open WebSocket tunnels; 0 takes a free one.',
  ),
  httpPort: port(
    80,
    'Where plain HTTP fronts that share a port are called, told apart by Host; 0 takes a free one.',
  ),
  tunnelPort: port(9000, 'Where tunnels end; 0 takes a free one.'),
  advertiseHost: Type.String({
    ...hostFormOrEmpty,
    default: '',
    placeholder: 'HOST',
    description: 'The host at which clients reach the tunnel port; the platform host unless given.',
  }),
  advertisePort: port(0, 'The port at which clients reach the tunnel port; 0 is the tunnel port itself.'),
  linkPort: port(9001, 'Where other nodes open their links to this one; 0 takes a free one.'),
  linkAdvertiseHost: Type.String({
    ...hostFormOrEmpty,
    default: '',
    placeholder: 'HOST',
    description:
      'The host at which other nodes reach the link port; the listen host unless given, or the first address of this machine where that is all of them.',
  }),
  linkAdvertisePort: port(0, 'The port at which other nodes reach the link port; 0 is the link port itself.'),
  frontHost: Type.String({
    default: '',
    placeholder: 'HOST',
    description: 'The address that fronts listen on; that of the connect port unless given.',
  }),
  certificateNames: Type.Array(Type.String({ maxLength: 253, ...certificateNameForm }), {
    maxItems: 32,
    default: [],
    placeholder: 'NAME',
    description: 'Further names and addresses for the server certificate of the connect and the tunnel port.',
  }),
  trustedBalancers: Type.Array(Type.String({ minLength: 1, maxLength: 64 }), {
    maxItems: 64,
    default: [],
    placeholder: 'ADDRESS',
    description:
      'Addresses and blocks (CIDR) of the balancers in front of this node whose PROXY header is believed.',
  }),
  proxyProtocolPorts: Type.Array(Type.String({ pattern: '^[0-9]{1,5}(-[0-9]{1,5})?$' }), {
    maxItems: 64,
    default: [],
    placeholder: 'PORT',
    description:
      'Ports and ranges of this node (443, 15000-16999) on which connections from trusted balancers must begin with a PROXY header, version 1 or 2. Nowhere else is one read.',
  }),
  revocationListHosts: Type.Array(Type.String({ minLength: 1, maxLength: 253 }), {
    maxItems: 64,
    default: [],
    placeholder: 'HOST',
    description: 'Hosts from which this node may fetch revocation lists that destinations name by URL.',
  }),
  joinDelayMs: Type.Integer({
    minimum: 0,
    maximum: 60_000,
    default: 1_500,
    description:
      'How long a node that starts listens for the other nodes before it takes callers; each says once a second that it is there.',
  }),
  drainDelayMs: Type.Integer({
    minimum: 0,
    maximum: 600_000,
    default: 3_000,
    description:
      'How long a node that stops still takes callers where there are other nodes, so that balancers notice that it is not ready.',
  }),
  drainGraceMs: milliseconds(
    30_000,
    'How long callers’ connections may go on after the first signal to stop.',
  ),
  relayedBytesPerSecondMax: Type.Integer({
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    default: 4_194_304,
    description:
      'Bytes a second that other nodes relay for this node’s callers of one client before the client is asked for one more tunnel, to this node; 0 asks for none.',
  }),
  handshakeTimeoutMs: milliseconds(10_000, 'A connection that has not shown by then what it is for is cut.'),
  handshakesMax: bound(
    1024,
    'Connections on one port, or at all fronts that end TLS, that have not yet shown what they are for; the oldest makes room. Of those at fronts one gateway has half at most.',
  ),
  handshakesPerAddressMax: bound(512, 'The same, from one address.'),
  handshakesAtOnce: bound(
    64,
    'Handshakes of clients and first calls that are worked on at once; more wait for their turn, for two seconds at most.',
    1024,
  ),
  connectCallsPerMinute: bound(600, 'First calls that one address may make in a minute.'),
  tunnelsMax: bound(20_000, 'Tunnels that end here at once. One gateway has half at most.'),
  connectionsMax: bound(
    50_000,
    'Callers’ connections at once, as many HTTP requests under way, and as many streams of clients to cloud resources. One gateway has half of each at most, or of the file descriptors where these are fewer; so have those together that call the shared HTTP port. UDP callers have half of the connections, of which one gateway has half.',
  ),
  connectionsPerAddressMax: bound(
    20_000,
    'Callers’ connections at once from one address, and as many UDP flows, which anybody can begin in its name.',
  ),
  connectionsPerSecondPerAddress: bound(
    20_000,
    'New connections that one address may open in a second, and as many new UDP flows.',
  ),
  flowsPerFrontMax: bound(
    4096,
    'UDP callers of one front at once, by address and port; each counts among the connections too.',
  ),
  flowIdleMs: milliseconds(
    60_000,
    'A UDP flow that is silent for so long is over, where its destination has no idle time-out of its own.',
  ),
  openingMax: bound(
    10_000,
    'Callers’ connections that wait for a client to reach the resource, and cloud resources that are being dialled. One gateway has half at most.',
  ),
  cloudLocal: Type.Boolean({
    default: false,
    description:
      'Whether cloud destinations may have their resource on this machine: loopback and link-local addresses, which the node else refuses to dial.',
  }),
  cloudDenied: Type.Array(Type.String({ minLength: 1, maxLength: 64 }), {
    maxItems: 256,
    default: [],
    placeholder: 'ADDRESS',
    description:
      'Further addresses and blocks that this node never dials for cloud destinations: the platform’s own bus, documents and services.',
  }),
  ...httpSettings,
  trustTraceparent: Type.Boolean({
    default: false,
    description:
      'Whether the trace that an HTTP caller names in its traceparent is gone on with, as the caller decided that it be sampled. Else each request begins a trace of its own, with a link to the caller’s.',
  }),
  addressesMax: bound(65_536, 'Addresses whose rate is remembered; the one unheard for longest makes room.'),
} as const;

const optionsSchema = Type.Object(edgeOptions);
/** The settings that shape an edge wherever it runs. */
export type EdgeOptions = Static<typeof optionsSchema>;

/** Of a node that is several processes; standalone is one. */
const workerOptions = {
  workers: Type.Integer({
    minimum: 1,
    maximum: 64,
    default: 1,
    description:
      'Processes of this machine that share the connect port, the HTTP port and the fronts (SO_REUSEPORT: Linux, FreeBSD). Each is a node of its own, NAME-1 and so on; every bound here is that of one process.',
  }),
  worker: Type.Integer({
    minimum: 0,
    maximum: 64,
    default: 0,
    description:
      'Which of the workers this process is, where something else starts them one by one; 0 starts and watches all.',
  }),
  workerPortStep: Type.Integer({
    minimum: 1,
    maximum: 1_000,
    default: 10,
    description:
      'How far the ports of one worker are from those of the next: tunnel and link port from those given on, the ops port one step above the one given, which is the supervisor’s. A link port that would be an ops port, as by default those of worker 11 (9101) and more, is the free one below it (9099).',
  }),
} as const;

/** What all settings of the program are read from. */
export const schema = Type.Object({
  ...logSettings,
  ...telemetrySettings,
  ...opsSettings(9101),
  ...natsSettings,
  ...edgeOptions,
  ...workerOptions,
});
/** All settings of the program. */
export type EdgeSettings = Static<typeof schema>;
