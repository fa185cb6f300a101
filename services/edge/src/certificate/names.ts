/** By which names and addresses this node and the platform are known; the certificate carries all of them. */
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import type { NodeAddress, NodeBeat } from '@postern/contracts';
import type { EdgeOptions } from '../config.ts';

const wildcardAddresses = new Set(['0.0.0.0', '::', '']);

/** The name that leads to this node's tunnel port through balancers that read SNI. */
function tunnelServerName(options: Pick<EdgeOptions, 'name' | 'platformHost'>): string {
  const { name, platformHost } = options;
  return isIP(platformHost) === 0 ? `${name}.tunnel.${platformHost}`.toLowerCase() : platformHost;
}

/** Every name and address that the server certificate is to be good for. */
export function certificateNames(options: EdgeOptions): string[] {
  const { platformHost, listenHost, advertiseHost } = options;
  const named = isIP(platformHost) === 0 ? [`*.${platformHost}`] : [];
  const all = [
    platformHost,
    ...named,
    tunnelServerName(options),
    'localhost',
    '127.0.0.1',
    '::1',
    listenHost,
    advertiseHost,
    ...options.certificateNames,
  ];
  return [...new Set(all.map((name) => name.toLowerCase()))].filter((name) => !wildcardAddresses.has(name));
}

/** Where clients reach the tunnel port; `tunnelPort` is the one that it took. */
export function nodeAddress(options: EdgeOptions, tunnelPort: number): NodeAddress {
  const { name, zone, advertiseHost, advertisePort, platformHost } = options;
  return {
    node: name,
    zone,
    host: advertiseHost === '' ? platformHost : advertiseHost,
    port: advertisePort === 0 ? tunnelPort : advertisePort,
    serverName: tunnelServerName(options),
  };
}

/** Where other nodes reach the link port; nothing where it is not open. */
export function linkAddress(options: EdgeOptions, linkPort: number): Pick<NodeBeat, 'link'> {
  const port = options.linkAdvertisePort === 0 ? linkPort : options.linkAdvertisePort;
  return port === 0 ? {} : { link: { host: linkHost(options), port } };
}

function linkHost({ linkAdvertiseHost, listenHost }: EdgeOptions): string {
  if (linkAdvertiseHost !== '') return linkAdvertiseHost;
  if (!wildcardAddresses.has(listenHost)) return listenHost;
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return own.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? hostname();
}
