/** The settings of a balancer: which nodes, which ports, and the static address that it may hold. */
import { logSettings, opsSettings, platformSettings, secret, telemetrySettings } from '@postern/config';
import { Type, type Static } from 'typebox';

const port = (value: number, description: string, minimum = 1) =>
  Type.Integer({ minimum, maximum: 65535, default: value, placeholder: 'PORT', description });
const milliseconds = (value: number, minimum: number, maximum: number, description: string) =>
  Type.Integer({ minimum, maximum, default: value, description });
/** A host name or an address: it is written into the configuration of another program as it is. */
const hostPattern = '^[A-Za-z0-9]([A-Za-z0-9.:_-]{0,251}[A-Za-z0-9])?$';
const addressPattern = '^[0-9a-fA-F.:]{2,45}(/[0-9]{1,3})?$';

/** What the configurations are made of, beside the nodes. */
const balancerOptions = {
  platformHost: Type.String({ ...platformSettings.platformHost, pattern: hostPattern }),
  state: Type.String({
    // haproxy takes the sockets in it for ports unless they begin with a slash, and what follows a comma for options.
    pattern: '^/[^\\s"\'\\\\#,]+$',
    placeholder: 'FOLDER',
    description:
      'The folder for the configurations that it makes and the nodes that it knew last, by its whole path.',
  }),
  nodes: Type.Record(Type.String(), Type.String({ pattern: hostPattern }), {
    default: {},
    placeholder: 'NAME=ADDRESS',
    description: 'The nodes by name and where this machine reaches them; none when the admin API is asked.',
  }),
  adminUrl: Type.Optional(
    Type.String({
      pattern: '^https://',
      maxLength: 500,
      placeholder: 'URL',
      description: 'The admin API, to be asked for the nodes in place of a list.',
    }),
  ),
  adminKey: Type.Optional(secret({ description: 'An API key for that; the role viewer is enough.' })),
  adminCaFile: Type.Optional(
    Type.String({
      placeholder: 'FILE',
      description: 'The CA of the admin API, where it is a private one (PEM).',
    }),
  ),
  nodeAddress: Type.String({
    pattern: '^[A-Za-z0-9._{}:-]{1,253}$',
    default: '{name}',
    placeholder: 'TEMPLATE',
    description: 'Where a node of the admin API’s list is reached from here; {name} stands for its name.',
  }),
  pollMs: milliseconds(5_000, 100, 3_600_000, 'How often the admin API is asked.'),
  listenHost: Type.String({
    pattern: '^(\\*|[0-9a-fA-F.:]{2,45})$',
    default: '*',
    placeholder: 'ADDRESS',
    description:
      'The address to listen on; every one, so that the static address can come and go, when it is *.',
  }),
  connectPort: port(443, 'Where clients make their first call and TLS fronts are called by name.'),
  httpPort: port(80, 'Where HTTP fronts are called by name; 0 for none.', 0),
  tunnelPort: port(9000, 'Where tunnels are passed to the node that their server name means.'),
  frontPortFirst: port(15_000, 'The first port of fronts.'),
  frontPortLast: Type.Integer({
    ...port(15_099, 'The last port of fronts.'),
    notBelow: 'frontPortFirst',
  }),
  nodeConnectPort: port(0, 'The connect port of the nodes; the same as here when 0.', 0),
  nodeHttpPort: port(0, 'The HTTP port of the nodes; the same as here when 0.', 0),
  nodeTunnelPort: port(0, 'The tunnel port of the nodes; the same as here when 0.', 0),
  nodeOpsPort: port(9101, 'The ops port of the nodes, whose /readyz says whether they take connections.'),
  nodeWorkers: Type.Integer({
    minimum: 1,
    maximum: 64,
    default: 1,
    description:
      'Workers of each machine (POSTERN_EDGE_WORKERS there). Nodes are machines then: their workers NAME-1 and so on are found by their server names, at ports of their own.',
  }),
  nodeWorkerPortStep: Type.Integer({
    minimum: 1,
    maximum: 1_000,
    default: 10,
    description: 'How far the ports of one worker are from those of the next, as the nodes have it.',
  }),
  proxyProtocol: Type.Boolean({
    default: false,
    description:
      'Tell nodes the caller’s address by PROXY protocol v2. They must list this machine in their trusted balancers.',
  }),
  connectionsMax: Type.Integer({
    minimum: 10,
    maximum: 1_000_000,
    default: 50_000,
    description: 'Connections at once.',
  }),
  idleTimeoutMs: milliseconds(
    86_400_000,
    1_000,
    2_000_000_000,
    'A connection that carried nothing for so long is cut. Dead ones are found sooner by TCP keepalive.',
  ),
  drainGraceMs: milliseconds(
    30_000,
    10,
    3_600_000,
    'How long connections may go on after the first signal to stop; new ones go to the other machine at once.',
  ),
  haproxy: Type.String({ default: 'haproxy', placeholder: 'PATH', description: 'The program haproxy.' }),
  haproxyUser: Type.String({
    pattern: '^[a-z_][a-z0-9_-]{0,31}$',
    default: 'haproxy',
    placeholder: 'USER',
    description: 'Whom haproxy’s workers run as, where this program runs as root.',
  }),
  keepalived: Type.String({
    default: 'keepalived',
    placeholder: 'PATH',
    description: 'The program keepalived.',
  }),
  virtualAddresses: Type.Array(Type.String({ pattern: addressPattern }), {
    maxItems: 20,
    default: [],
    placeholder: 'ADDRESS/BITS',
    description:
      'The static addresses, which one of the machines holds; without any keepalived is not started.',
  }),
  interface: Type.String({
    pattern: '^[A-Za-z0-9_.-]{1,15}$',
    default: 'eth0',
    placeholder: 'NAME',
    description: 'The network interface that the static addresses are put on.',
  }),
  ownAddress: Type.Optional(
    Type.String({
      pattern: addressPattern,
      placeholder: 'ADDRESS',
      description: 'This machine’s own address, from which it tells the others that it is alive.',
    }),
  ),
  peers: Type.Array(Type.String({ pattern: addressPattern }), {
    maxItems: 16,
    default: [],
    placeholder: 'ADDRESS',
    description: 'The other machines’ own addresses; VRRP goes by multicast when there are none.',
  }),
  handoverPort: port(
    9107,
    'Where the other machines ask this one, at its own address, to pass on what belongs to them when they are told to stop; 0 for none.',
    0,
  ),
  routerId: Type.Integer({
    minimum: 1,
    maximum: 255,
    default: 51,
    description: 'The VRRP router ID: the same on machines that share addresses, another for everybody else.',
  }),
  priority: Type.Integer({
    minimum: 1,
    maximum: 254,
    default: 100,
    description: 'The machine with the highest takes the addresses when nobody holds them.',
  }),
  advertiseMs: milliseconds(
    300,
    10,
    40_000,
    'How often the holder says that it is alive; the addresses move after three times that.',
  ),
} as const;

const optionsSchema = Type.Object(balancerOptions);
/** The settings that shape a balancer. */
export type BalancerOptions = Static<typeof optionsSchema>;

/** What all settings of the program are read from. */
export const schema = Type.Object({
  ...logSettings,
  ...telemetrySettings,
  ...opsSettings(9106),
  ...balancerOptions,
});
