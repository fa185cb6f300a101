/**
 * What each service is told, made of the platform's settings. As separate processes services are told the same by
 * their own flags; here one setting reaches all whom it concerns, so that they cannot disagree.
 */
import { isIP } from 'node:net';
import type { AdminOptions } from '@postern/admin';
import type { CertstoreOptions } from '@postern/certstore';
import type { EdgeOptions } from '@postern/edge';
import type { RouterOptions } from '@postern/router';
import type { PlatformSettings } from './config.ts';

const wildcards = new Set(['0.0.0.0', '::']);
const wellKnownPorts = [80, 443, 9000];

/** The ports to listen on; 0 takes a free one. */
export interface Ports {
  readonly connect: number;
  readonly http: number;
  readonly tunnel: number;
  readonly admin: number;
}

/** The only node. */
export function edgeOptionsOf(settings: PlatformSettings, ports: Ports): EdgeOptions {
  return {
    ...settings,
    name: 'edge-1',
    zone: '',
    connectPort: ports.connect,
    httpPort: ports.http,
    tunnelPort: ports.tunnel,
    advertiseHost: settings.advertiseHost === '' ? publicHost(settings) : settings.advertiseHost,
    // The only node has no others to talk to.
    joinDelayMs: 0,
    drainDelayMs: 0,
    linkPort: 0,
    linkAdvertiseHost: '',
    linkAdvertisePort: 0,
    relayedBytesPerSecondMax: 0,
    frontHost: settings.listenHost,
    certificateNames: [...new Set([...settings.certificateNames, publicHost(settings)])],
  };
}

/** Fronts may not have the ports that the platform itself listens on. */
export function routerOptionsOf(settings: PlatformSettings, ports: Ports): RouterOptions {
  const own = [...Object.values(ports), settings.adminPort].filter((port) => port > 0);
  return {
    ...settings,
    reservedPorts: [...new Set([...wellKnownPorts, ...own])],
    sharedPort: ports.connect,
    sharedHttpPort: ports.http,
  };
}

/** The API. */
export function adminOptionsOf(settings: PlatformSettings, ports: Ports): AdminOptions {
  const { adminHost: listenHost } = settings;
  const own = wildcards.has(listenHost) ? [] : [listenHost];
  return {
    ...settings,
    listenHost,
    port: ports.admin,
    certificateNames: [...new Set([...settings.certificateNames, ...own])],
  };
}

/** The CA signs for every name that the services above ask for, and for no other. */
export function certstoreOptionsOf(settings: PlatformSettings): Omit<CertstoreOptions, 'keyEncryptionKey'> {
  const { listenHost, adminHost, advertiseHost, certificateNames } = settings;
  const all = [...new Set([...certificateNames, listenHost, adminHost, advertiseHost])].filter(
    (name) => name !== '' && !wildcards.has(name),
  );
  return {
    ...settings,
    certificateNames: all.filter((name) => isIP(name) === 0),
    certificateAddresses: all.filter((name) => isIP(name) !== 0),
  };
}

/** Where clients find the platform: its host where it has a name of its own, else the address that it listens on. */
function publicHost({ platformHost, listenHost }: PlatformSettings): string {
  if (platformHost !== 'localhost') return platformHost;
  return wildcards.has(listenHost) ? '127.0.0.1' : listenHost;
}

/** `https://host:port`, without the port where it is 443. */
export function connectUrlOf(settings: PlatformSettings, port: number): string {
  const host = publicHost(settings);
  const authority = isIP(host) === 6 ? `[${host}]` : host;
  return port === 443 ? `https://${authority}` : `https://${authority}:${port}`;
}
