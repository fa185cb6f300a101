/**
 * haproxy's configuration, made from the list of nodes. Pure: the same nodes and options give the same text, so that a
 * change of the text is a reason to reload and nothing else is.
 *
 *     443   server name <node>.tunnel.<platform host> ──► that node       (WebSocket tunnels)
 *           anything else ──► a node that is ready, the one with the fewest connections
 *     9000  server name <node>.tunnel.<platform host> ──► that node; anything else ──► any
 *     80, front range ──► a node that is ready, at the port that the caller dialled
 *
 * Bytes are passed on as they are: TLS ends at the nodes or behind them. Where no node says that it is ready, those that
 * accept connections are used all the same: a fault of the health check must not be worse than what it looks for.
 */
import type { BalancerOptions } from './config.ts';
import type { NodeEntry } from './node-list.ts';

/** Where haproxy finds what this program puts beside its configuration. */
export interface HaproxyPlaces {
  /** The socket for questions about its servers. */
  readonly statusSocket: string;
  /** Whether its workers can be another user's. */
  readonly asRoot: boolean;
}

/** A worker that was replaced may hold connections; so many such workers are kept before the oldest is ended. */
const oldWorkersMax = 50;
/** Whose servers are asked whether they are ready, for the other backends too. */
const checkedBackend = 'fronts';

/** The text of `haproxy.cfg`. */
export function haproxyConfiguration(
  nodes: readonly NodeEntry[],
  options: BalancerOptions,
  places: HaproxyPlaces,
): string {
  const { connectPort, tunnelPort, httpPort, frontPortFirst, frontPortLast } = options;
  const sections = [
    globalSection(options, places),
    defaultsSection(options),
    namedFrontend('connect', connectPort, nodes, options),
    namedFrontend('tunnel', tunnelPort, nodes, options),
    ...(httpPort === 0 ? [] : [frontend('http', String(httpPort), options)]),
    frontend('fronts', `${frontPortFirst}-${frontPortLast}`, options),
    ...balancedBackends('connect', options.nodeConnectPort || connectPort, nodes, options),
    ...balancedBackends('tunnel', options.nodeTunnelPort || tunnelPort, nodes, options),
    ...(httpPort === 0 ? [] : balancedBackends('http', options.nodeHttpPort || httpPort, nodes, options)),
    // Without a port the server is dialled at the one that the caller dialled.
    ...balancedBackends(checkedBackend, null, nodes, options),
    ...nodes
      .flatMap((node) => workersOf(node, options))
      .flatMap((node) => [
        nodeBackend('connect', options.nodeConnectPort || connectPort, node, options),
        nodeBackend('tunnel', (options.nodeTunnelPort || tunnelPort) + node.tunnelSteps, node, options),
      ]),
  ];
  return `# Made by postern-balancer: what is changed here is overwritten.\n\n${sections.map(section).join('\n\n')}\n`;
}

/** The servers by which haproxy knows the tunnels, those of each node together. */
export function tunnelServers(nodes: readonly NodeEntry[], options: BalancerOptions): string[][] {
  return nodes
    .flatMap((node) => workersOf(node, options))
    .map(({ name }) => [
      `tunnel/${name}`,
      `${unready('tunnel')}/${name}`,
      `tunnel-${name}/${name}`,
      `connect-${name}/${name}`,
    ]);
}

type Section = readonly [heading: string, ...lines: string[]];

function section([heading, ...lines]: Section): string {
  return [heading, ...lines.map((line) => `    ${line}`)].join('\n');
}

function globalSection(options: BalancerOptions, places: HaproxyPlaces): Section {
  return [
    'global',
    `maxconn ${options.connectionsMax}`,
    // A process that may open fewer files serves fewer connections; that is worse than a warning and better than nothing.
    'no strict-limits',
    'log stderr format raw local0 notice',
    `stats socket ${places.statusSocket} mode 600 level admin expose-fd listeners`,
    'stats timeout 10s',
    `mworker-max-reloads ${oldWorkersMax}`,
    ...(places.asRoot ? [`user ${options.haproxyUser}`] : []),
  ];
}

function defaultsSection({ idleTimeoutMs, connectionsMax }: BalancerOptions): Section {
  return [
    'defaults',
    'mode tcp',
    'log global',
    'option dontlognull',
    'option dontlog-normal',
    'option clitcpka',
    'option srvtcpka',
    // A machine that is gone does not say so: who waits for it is with another node after a second.
    'option redispatch 1',
    'retries 5',
    'timeout connect 1s',
    'timeout check 2s',
    `timeout client ${idleTimeoutMs}ms`,
    `timeout server ${idleTimeoutMs}ms`,
    `maxconn ${connectionsMax}`,
    'balance leastconn',
  ];
}

/** TLS whose server name may mean one node. A caller that shows no name within 5 s goes to any node, which judges it. */
function namedFrontend(
  name: string,
  port: number,
  nodes: readonly NodeEntry[],
  options: BalancerOptions,
): Section {
  return [
    `frontend ${name}`,
    bind(String(port), options),
    'tcp-request inspect-delay 5s',
    'tcp-request content accept if { req.ssl_hello_type 1 }',
    ...nodes
      .flatMap((node) => workersOf(node, options))
      .map((node) => {
        const serverName = `${node.name}.tunnel.${options.platformHost}`;
        return `use_backend ${name}-${node.name} if { req.ssl_sni -i ${serverName} }`;
      }),
    ...choice(name),
  ];
}

function frontend(name: string, ports: string, options: BalancerOptions): Section {
  return [`frontend ${name}`, bind(ports, options), ...choice(name)];
}

function bind(ports: string, { listenHost }: BalancerOptions): string {
  return `bind ${listenHost.includes(':') ? `[${listenHost}]` : listenHost}:${ports}`;
}

/** The backend of all nodes, ready or not: no node's own, since no name of a node has such a sign. */
function unready(name: string): string {
  return `${name}_unready`;
}

function choice(name: string): string[] {
  return [`use_backend ${unready(name)} if { nbsrv(${name}) eq 0 }`, `default_backend ${name}`];
}

function balancedBackends(
  name: string,
  port: number | null,
  nodes: readonly NodeEntry[],
  options: BalancerOptions,
): Section[] {
  // Tunnels end at a worker; all else is the machine's, whose workers share its ports.
  const isOfWorkers = name === 'tunnel' && options.nodeWorkers > 1;
  const servers =
    isOfWorkers && port !== null
      ? nodes
          .flatMap((node) => workersOf(node, options))
          .map((node) => ({ ...node, text: server(name, node, port + node.tunnelSteps, options) }))
      : nodes.map((node) => ({
          ...node,
          text: server(name, node, port, options),
          opsPort: options.nodeOpsPort,
        }));
  // Whoever is ready is so for all: a node that is short of time is asked once, and no port of it is up without the others.
  const checks =
    name === checkedBackend || isOfWorkers
      ? [
          'option httpchk GET /readyz',
          'http-check expect status 200',
          ...servers.map(({ text, opsPort }) => `${text} check port ${opsPort} inter 500ms fall 2 rise 1`),
        ]
      : servers.map(({ text, name: node }) => `${text} track ${checkedBackend}/${node}`);
  return [
    [`backend ${name}`, ...checks],
    [`backend ${unready(name)}`, ...servers.map(({ text }) => text)],
  ];
}

/** A node of a machine, and how far its ports are from those of the machine. */
interface WorkerEntry extends NodeEntry {
  readonly tunnelSteps: number;
  readonly opsPort: number;
}

/** The nodes of a machine: itself, or its workers with the names and ports that the edge gives them. */
function workersOf(machine: NodeEntry, options: BalancerOptions): WorkerEntry[] {
  const { nodeWorkers, nodeWorkerPortStep: step, nodeOpsPort } = options;
  if (nodeWorkers === 1) return [{ ...machine, tunnelSteps: 0, opsPort: nodeOpsPort }];
  return Array.from({ length: nodeWorkers }, (_, index) => ({
    name: `${machine.name}-${index + 1}`,
    address: machine.address,
    tunnelSteps: index * step,
    opsPort: nodeOpsPort + (index + 1) * step,
  }));
}

/** Tunnels of one node. They are not checked: a client whose node does not answer tries another name. */
function nodeBackend(name: string, port: number, node: NodeEntry, options: BalancerOptions): Section {
  return [`backend ${name}-${node.name}`, server(name, node, port, options)];
}

function server(
  kind: string,
  { name, address }: NodeEntry,
  port: number | null,
  options: BalancerOptions,
): string {
  const host = address.includes(':') ? `[${address}]` : address;
  // Nodes take a PROXY header on the connect port and on fronts; the tunnel port speaks TLS from its first byte.
  const proxy = options.proxyProtocol && kind !== 'tunnel' ? ' send-proxy-v2' : '';
  return `server ${name} ${host}${port === null ? '' : `:${port}`}${proxy}`;
}
