/** What each service of a cluster is told: flags for what is no secret, files for what is. */
import { join } from 'node:path';
import type { Layout, Place } from './layout.ts';

/** The secrets that services read from the cluster's folder; each takes what is its own. */
export function serviceEnvironment(state: string): Record<string, string> {
  return {
    POSTERN_ACL_FIRST_API_KEY_FILE: join(state, 'api-key'),
    POSTERN_CERTSTORE_KEY_ENCRYPTION_KEY_FILE: join(state, 'key-encryption-key'),
  };
}

/** The flags of one service. */
export function serviceArguments(place: Place, layout: Layout, platformHost: string): string[] {
  const host = ['--platform-host', platformHost];
  const { connectPort, httpPort, tunnelPort, linkPort, adminPort, frontPortFirst, frontPortLast } = layout;
  switch (place.kind) {
    case 'edge':
      return [
        ...host,
        ...edgeFlags(place, layout.workers),
        ...flags({ 'listen-host': place.address, 'advertise-host': place.address }),
        ...flags({
          'connect-port': connectPort,
          'http-port': httpPort,
          'tunnel-port': tunnelPort,
          'link-port': linkPort,
          'drain-delay-ms': 500,
          'join-delay-ms': 1_100,
        }),
      ];
    case 'router':
      return [
        ...host,
        // Plain TCP fronts can be called at the first node as they are shown.
        ...flags({ 'front-host': layout.edges[0]?.address ?? '' }),
        ...flags({ 'shared-port': connectPort, 'shared-http-port': httpPort }),
        ...flags({ 'front-port-first': frontPortFirst, 'front-port-last': frontPortLast }),
      ];
    case 'admin':
      return [
        ...host,
        ...flags({ 'listen-host': place.address, port: adminPort, 'certificate-names': place.address }),
      ];
    case 'certstore':
      return host;
    case 'acl':
    case 'nats':
    case 'mongodb':
      return [];
  }
}

/** A worker has its zone from the machine that it is on. */
function edgeFlags({ name, worker }: Place, workers: number): string[] {
  if (worker === undefined) return flags({ name, zone: `zone-${name}` });
  return flags({ name: worker.node, zone: `zone-${worker.node}`, workers, worker: worker.number });
}

function flags(values: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(values).flatMap(([name, value]) => [`--${name}`, String(value)]);
}
