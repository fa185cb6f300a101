/** Where the figures of a node are read when its metrics are scraped: of its parts, as they are then. */
import type { Endpoint, Compression } from '@postern/tunnel';
import type { Callers } from './callers.ts';
import type { CloudSide } from './cloud-side.ts';
import type { Followers } from './followers.ts';
import type { Fronts } from './fronts.ts';
import type { GatewayCounts } from './gateway-totals.ts';
import type { HandshakeGate } from './handshake-gate.ts';
import type { Links } from './links.ts';
import type { GatedPort, MetricSources } from './metrics.ts';
import type { Refusals } from './refusals.ts';
import type { Relays } from './relays.ts';
import type { Tunnels } from './tunnels.ts';
import type { Turns } from './turns.ts';

/** The parts of a node that have something to show. */
export interface ShownParts {
  tunnels: Tunnels;
  callers: Callers;
  refusals: Refusals;
  links: Links;
  relays: Relays;
  gates: Record<GatedPort, HandshakeGate>;
  turns: Turns;
  endpoint: Endpoint;
  fronts: Fronts;
  cloud: CloudSide;
  compression: Compression;
  followers: Followers;
}

/** The sources; `parts` is asked at each reading, since metrics are registered before there are all parts. */
export function metricSourcesOf(parts: () => ShownParts): MetricSources {
  return {
    tunnels: () => parts().tunnels.byTransport(),
    callers: () => ({ open: parts().callers.size, opening: parts().callers.opening }),
    totals: () => parts().callers.totals(),
    gateways: () => gatewayCounts(parts()),
    refusals: () => parts().refusals.counts,
    links: () => parts().links.nodes.length,
    relayed: () => parts().relays.passedOn,
    handshakes: () => {
      const { connect, tunnel, link } = parts().gates;
      return { connect: connect.size, tunnel: tunnel.size, link: link.size };
    },
    turns: () => parts().turns.counts,
    memory: () => parts().endpoint.memory,
    fronts: () => parts().fronts.counts(),
    datagrams: () => parts().fronts.datagrams(),
    cloud: () => {
      const { streams } = parts().cloud;
      return { size: streams.size, ...streams.totals };
    },
    http: () => parts().callers.http.counts,
    compression: () => parts().compression.counts,
  };
}

function gatewayCounts({ callers, followers, tunnels }: ShownParts): GatewayCounts[] {
  const rows = callers.gateways(followers.policies.items.keys());
  const counts = tunnels.countsOf(rows.map(({ gatewayId }) => gatewayId));
  return rows.map((row, at) => ({ ...row, tunnels: counts[at] ?? 0 }));
}
