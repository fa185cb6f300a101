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
  'idle-streams',
  'idle-tunnels',
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
    'A front at the node that has the tunnel (own), at one that had none and asked for one (other), and at one where each byte is relayed for good (a hop)',
  stalled: 'A reader that never reads: another stream of the same tunnel, and growth of memory',
  'idle-streams':
    'As many idle streams in one process as it may open, up to 20,000: anonymous memory of the edge',
  'idle-tunnels': '10,000 idle tunnels in one process: anonymous memory of the edge',
};

/** The figures by name, which is what the JSON file has. */
export const figures = {
  'bytes-1-up': more('bytes', 'MB/s', '1 up'),
  'bytes-1-down': more('bytes', 'MB/s', '1 down'),
  'bytes-8-up': more('bytes', 'MB/s', '8 up'),
  'bytes-8-down': more('bytes', 'MB/s', '8 down'),
  'cpu-1-up': less('bytes', 's/GB', 'CPU, 1 up'),
  'cpu-1-down': less('bytes', 's/GB', 'CPU, 1 down'),
  'cpu-8-up': less('bytes', 's/GB', 'CPU, 8 up'),
  'cpu-8-down': less('bytes', 's/GB', 'CPU, 8 down'),
  requests: more('requests', '/s', 'requests'),
  'requests-p50': less('requests', 'ms', 'p50'),
  'requests-p99': less('requests', 'ms', 'p99'),
  'requests-errors': told('requests', '', 'errors'),
  'requests-cpu': less('requests', 'µs', 'CPU for one'),
  connections: more('connections', '/s', 'connections'),
  'connections-p99': less('connections', 'ms', 'p99'),
  'connections-errors': told('connections', '', 'errors'),
  'connections-cpu': less('connections', 'µs', 'CPU for one'),
  'tls-requests': more('tls', '/s', '1 KiB'),
  'tls-requests-p99': less('tls', 'ms', 'p99 of those'),
  'tls-requests-cpu': less('tls', 'µs', 'CPU for one'),
  'tls-bytes': more('tls', 'MB/s', '1 MiB'),
  'tls-new': more('tls', '/s', 'new connections'),
  'tls-resumed': more('tls', '/s', 'resumed connections'),
  'tls-errors': told('tls', '', 'errors'),
  'web-requests': more('web', '/s', '1 KiB'),
  'web-requests-p99': less('web', 'ms', 'p99 of those'),
  'web-requests-cpu': less('web', 'µs', 'CPU for one'),
  'web-bytes': more('web', 'MB/s', '1 MiB'),
  'web-errors': told('web', '', 'errors'),
  'ping-p50': less('latency', 'ms', 'alone, p50'),
  'ping-p99': less('latency', 'ms', 'alone, p99'),
  'ping-up-p50': less('latency', 'ms', 'beside bulk up, p50'),
  'ping-up-p99': less('latency', 'ms', 'beside bulk up, p99'),
  'ping-down-p50': less('latency', 'ms', 'beside bulk down, p50'),
  'ping-down-p99': less('latency', 'ms', 'beside bulk down, p99'),
  'ping-up-bulk': told('latency', 'MB/s', 'bulk up meanwhile'),
  'ping-down-bulk': told('latency', 'MB/s', 'bulk down meanwhile'),
  'ping-lost': told('latency', '', 'lost'),
  'stream-edge': less('memory', 'KB', 'idle stream, edge'),
  'stream-client': less('memory', 'KB', 'idle stream, client'),
  'tunnel-edge': less('memory', 'KB', 'idle tunnel, edge'),
  'distance-up': more('distance', 'MB/s', 'up'),
  'distance-down': more('distance', 'MB/s', 'down'),
  'own-up': told('relay', 'MB/s', 'own, 1 up'),
  'own-down': told('relay', 'MB/s', 'own, 1 down'),
  'own-requests': told('relay', '/s', 'own, requests'),
  'other-up': more('relay', 'MB/s', 'other, 1 up'),
  'other-down': more('relay', 'MB/s', 'other, 1 down'),
  'other-requests': more('relay', '/s', 'other, requests'),
  'hop-up': more('relay', 'MB/s', 'a hop, 1 up'),
  'hop-down': more('relay', 'MB/s', 'a hop, 1 down'),
  'hop-requests': more('relay', '/s', 'a hop, requests'),
  'stalled-before-p50': told('stalled', 'ms', 'p50 before'),
  'stalled-up-p50': less('stalled', 'ms', 'stuck resource, p50'),
  'stalled-down-p50': less('stalled', 'ms', 'stuck caller, p50'),
  'stalled-up-growth': less('stalled', 'MB', 'stuck resource, growth of both ends'),
  'stalled-down-growth': less('stalled', 'MB', 'stuck caller, growth of both ends'),
  'idle-streams': told('idle-streams', '', 'streams'),
  'idle-streams-edge': less('idle-streams', 'KB', 'one, edge'),
  'idle-streams-whole': told('idle-streams', 'MB', 'edge with all'),
  'idle-tunnels': told('idle-tunnels', '', 'tunnels'),
  'idle-tunnels-edge': less('idle-tunnels', 'KB', 'one, edge'),
  'idle-tunnels-whole': told('idle-tunnels', 'MB', 'edge with all'),
} as const satisfies Record<string, Figure>;

/** The name of a figure. */
export type FigureName = keyof typeof figures;

/** All names, in the order of tables. */
export const figureNames = Object.keys(figures) as FigureName[];

/** What one measurement gave; what could not be had is not there. */
export type Measured = Partial<Record<FigureName, number>>;

function more(group: Group, unit: string, title: string): Figure {
  return { group, unit, better: 'more', title };
}

function less(group: Group, unit: string, title: string): Figure {
  return { group, unit, better: 'less', title };
}

function told(group: Group, unit: string, title: string): Figure {
  return { group, unit, better: null, title };
}
