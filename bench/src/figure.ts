// Every figure that a run can give: in which group it is measured, its unit, and which way is better.

/** The groups, as `--only` takes them. */
export const groups = [
  'bytes',
  'requests',
  'connections',
  'tls',
  'web',
  'latency',
  'memory',
  'distance',
  'relay',
  'stalled',
] as const;

/** One group of figures. */
export type Group = (typeof groups)[number];

/** What a figure is. `better: null` is information that is not compared. */
export interface Figure {
  readonly group: Group;
  readonly unit: string;
  readonly better: 'more' | 'less' | null;
  readonly title: string;
}

/** What each group measures, for tables and help. `up` is from the caller to the resource. */
export const groupTitles: Readonly<Record<Group, string>> = {
  bytes: 'Bytes with 1 and 8 connections each way, and CPU time of both ends for a gigabyte (iperf3)',
  requests: 'Small requests over 64 kept-alive connections, and CPU time of both ends for one (wrk, nginx)',
  connections: 'A connection for each request, 32 at once, and CPU time of both ends for one (wrk, nginx)',
  tls: 'TLS that the front ends: wrk to nginx with 1 KiB (64 connections) and 1 MiB (8), and new connections with and without resumption (openssl s_time)',
  web: 'HTTP fronts: wrk to nginx with 1 KiB (64 connections) and 1 MiB (8)',
  latency: 'A byte there and back, 100 a second: alone, and beside 8 bulk connections',
  memory: 'Anonymous memory of each end for an idle stream, and of the edge for an idle tunnel',
  distance: 'One stream with a delay on the way between the ends',
  relay:
    'A front at the node that has the tunnel (own), and at one that has it through another node (relayed)',
  stalled: 'A reader that never reads: another stream of the same tunnel, and growth of memory',
};

/** The figures by name, which is what the JSON file has. */
export const figures = {
  'bytes-1-up': { group: 'bytes', unit: 'MB/s', better: 'more', title: '1 up' },
  'bytes-1-down': { group: 'bytes', unit: 'MB/s', better: 'more', title: '1 down' },
  'bytes-8-up': { group: 'bytes', unit: 'MB/s', better: 'more', title: '8 up' },
  'bytes-8-down': { group: 'bytes', unit: 'MB/s', better: 'more', title: '8 down' },
  'cpu-1-up': { group: 'bytes', unit: 's/GB', better: 'less', title: 'CPU, 1 up' },
  'cpu-1-down': { group: 'bytes', unit: 's/GB', better: 'less', title: 'CPU, 1 down' },
  'cpu-8-up': { group: 'bytes', unit: 's/GB', better: 'less', title: 'CPU, 8 up' },
  'cpu-8-down': { group: 'bytes', unit: 's/GB', better: 'less', title: 'CPU, 8 down' },
  requests: { group: 'requests', unit: '/s', better: 'more', title: 'requests' },
  'requests-p50': { group: 'requests', unit: 'ms', better: 'less', title: 'p50' },
  'requests-p99': { group: 'requests', unit: 'ms', better: 'less', title: 'p99' },
  'requests-errors': { group: 'requests', unit: '', better: null, title: 'errors' },
  'requests-cpu': { group: 'requests', unit: 'µs', better: 'less', title: 'CPU for one' },
  connections: { group: 'connections', unit: '/s', better: 'more', title: 'connections' },
  'connections-p99': { group: 'connections', unit: 'ms', better: 'less', title: 'p99' },
  'connections-errors': { group: 'connections', unit: '', better: null, title: 'errors' },
  'connections-cpu': { group: 'connections', unit: 'µs', better: 'less', title: 'CPU for one' },
  'tls-requests': { group: 'tls', unit: '/s', better: 'more', title: '1 KiB' },
  'tls-requests-p99': { group: 'tls', unit: 'ms', better: 'less', title: 'p99 of those' },
  'tls-requests-cpu': { group: 'tls', unit: 'µs', better: 'less', title: 'CPU for one' },
  'tls-bytes': { group: 'tls', unit: 'MB/s', better: 'more', title: '1 MiB' },
  'tls-new': { group: 'tls', unit: '/s', better: 'more', title: 'new connections' },
  'tls-resumed': { group: 'tls', unit: '/s', better: 'more', title: 'resumed connections' },
  'tls-errors': { group: 'tls', unit: '', better: null, title: 'errors' },
  'web-requests': { group: 'web', unit: '/s', better: 'more', title: '1 KiB' },
  'web-requests-p99': { group: 'web', unit: 'ms', better: 'less', title: 'p99 of those' },
  'web-requests-cpu': { group: 'web', unit: 'µs', better: 'less', title: 'CPU for one' },
  'web-bytes': { group: 'web', unit: 'MB/s', better: 'more', title: '1 MiB' },
  'web-errors': { group: 'web', unit: '', better: null, title: 'errors' },
  'ping-p50': { group: 'latency', unit: 'ms', better: 'less', title: 'alone, p50' },
  'ping-p99': { group: 'latency', unit: 'ms', better: 'less', title: 'alone, p99' },
  'ping-up-p50': { group: 'latency', unit: 'ms', better: 'less', title: 'beside bulk up, p50' },
  'ping-up-p99': { group: 'latency', unit: 'ms', better: 'less', title: 'beside bulk up, p99' },
  'ping-down-p50': { group: 'latency', unit: 'ms', better: 'less', title: 'beside bulk down, p50' },
  'ping-down-p99': { group: 'latency', unit: 'ms', better: 'less', title: 'beside bulk down, p99' },
  'ping-lost': { group: 'latency', unit: '', better: null, title: 'lost' },
  'stream-edge': { group: 'memory', unit: 'KB', better: 'less', title: 'idle stream, edge' },
  'stream-client': { group: 'memory', unit: 'KB', better: 'less', title: 'idle stream, client' },
  'tunnel-edge': { group: 'memory', unit: 'KB', better: 'less', title: 'idle tunnel, edge' },
  'distance-up': { group: 'distance', unit: 'MB/s', better: 'more', title: 'up' },
  'distance-down': { group: 'distance', unit: 'MB/s', better: 'more', title: 'down' },
  'own-up': { group: 'relay', unit: 'MB/s', better: null, title: 'own, 1 up' },
  'own-down': { group: 'relay', unit: 'MB/s', better: null, title: 'own, 1 down' },
  'own-requests': { group: 'relay', unit: '/s', better: null, title: 'own, requests' },
  'relay-up': { group: 'relay', unit: 'MB/s', better: 'more', title: 'relayed, 1 up' },
  'relay-down': { group: 'relay', unit: 'MB/s', better: 'more', title: 'relayed, 1 down' },
  'relay-requests': { group: 'relay', unit: '/s', better: 'more', title: 'relayed, requests' },
  'stalled-before-p50': { group: 'stalled', unit: 'ms', better: null, title: 'p50 before' },
  'stalled-up-p50': { group: 'stalled', unit: 'ms', better: 'less', title: 'stuck resource, p50' },
  'stalled-down-p50': { group: 'stalled', unit: 'ms', better: 'less', title: 'stuck caller, p50' },
  'stalled-up-growth': {
    group: 'stalled',
    unit: 'MB',
    better: 'less',
    title: 'stuck resource, growth of both ends',
  },
  'stalled-down-growth': {
    group: 'stalled',
    unit: 'MB',
    better: 'less',
    title: 'stuck caller, growth of both ends',
  },
} as const satisfies Record<string, Figure>;

/** The name of a figure. */
export type FigureName = keyof typeof figures;

/** All names, in the order of tables. */
export const figureNames = Object.keys(figures) as FigureName[];

/** What one measurement gave; what could not be had is not there. */
export type Measured = Partial<Record<FigureName, number>>;
