/** Every noun that is a collection of the API. A new one is a new entry here. */
import type { Field, Noun } from './noun.ts';
import { parseData, parseHostPort, parseHosts, parseNumber, parseProxy, readSecret } from './value.ts';

const data: Field = {
  flags: '--data <JSON>',
  description: 'further fields, as in the API',
  body: parseData,
};
const name: Field = { flags: '--name <NAME>', description: 'its name', body: (value) => ({ name: value }) };
const description: Field = {
  flags: '--description <TEXT>',
  description: 'what it is for',
  body: (value) => ({ description: value }),
};
const enable: Field = {
  flags: '--enable',
  description: 'let new connections in',
  body: () => ({ enabled: true }),
};
const disable: Field = {
  flags: '--disable',
  description: 'refuse new connections',
  body: () => ({ enabled: false }),
};
const cutOff: Field = {
  ...disable,
  description: 'close its tunnels, which ends what runs, and refuse new connections',
};
const requireToken: Field = {
  flags: '--require-token',
  description: 'clients must show a security token',
  body: () => ({ requireToken: true }),
};
const noToken: Field = {
  flags: '--without-token',
  description: 'clients need no security token',
  body: () => ({ requireToken: false }),
};
const frontHost: Field = {
  flags: '--front-host <HOST>',
  description: 'the host that callers use',
  body: (value) => ({ front: { host: value } }),
};
const frontPort: Field = {
  flags: '--front-port <PORT>',
  description: 'the port that callers use; a new destination is allotted one unless given',
  body: (value) => ({ front: { port: parseNumber(value) } }),
};
const resource: Field = {
  flags: '--resource <HOST:PORT>',
  description: 'what the client dials',
  body: (value) => ({ resource: parseHostPort(value) }),
};

const hosts: Field = {
  flags: '--hosts <NAME=ADDRESS>',
  description:
    'the address of a name that the client cannot resolve, of the resource or its proxy; may repeat',
  repeats: true,
  body: (value) => ({ resource: { hosts: parseHosts(value) } }),
};
const proxy: Field = {
  flags: '--proxy <URL>',
  description: 'the SOCKS proxy before the resource: socks5://USER@HOST:PORT, or socks4, socks4a',
  body: (value) => ({ resource: { proxy: parseProxy(value) } }),
};
/** In an update the URL is the whole proxy: without a user there is none, and no password. */
const anotherProxy: Field = {
  ...proxy,
  body: (value) => {
    const given = parseProxy(value);
    const user = given.username === undefined ? { username: null, password: null } : {};
    return { resource: { proxy: { ...given, ...user } } };
  },
};
const proxyPassword: Field = {
  flags: '--proxy-password-file <FILE>',
  description: 'its password is the first line of this file; it is stored encrypted and never shown',
  body: (value) => ({ resource: { proxy: { password: readSecret(value) } } }),
};
const noProxy: Field = {
  flags: '--without-proxy',
  description: 'reach the resource without a proxy',
  body: () => ({ resource: { proxy: null } }),
};
const compress: Field = {
  flags: '--compress',
  description: 'compress data between node and client',
  body: () => ({ resource: { compress: true } }),
};
const noCompression: Field = {
  flags: '--without-compression',
  description: 'carry data between node and client as it is',
  body: () => ({ resource: { compress: false } }),
};

const cloud: Field = {
  flags: '--client-port <PORT>',
  description:
    'a cloud destination: callers on premises dial this port of the client, a node dials the resource',
  body: (value) => ({ kind: 'cloud', clientPort: parseNumber(value) }),
};

/** All of them, in the order of help. */
export const nouns: readonly Noun[] = [
  {
    name: 'gateways',
    summary: 'what private networks connect as',
    item: 'gateway',
    within: [],
    path: () => '/gateways',
    columns: { id: 'id', name: 'name', enabled: 'enabled', connected: 'connected', clients: 'clients' },
    verbs: ['list', 'show', 'create', 'update', 'delete'],
    arguments: [{ name: '<name>', description: 'its name', body: (value) => ({ name: value }) }],
    create: [description, noToken, data],
    update: [name, description, enable, cutOff, requireToken, noToken, data],
  },
  {
    name: 'tokens',
    summary: 'security tokens, with which clients connect',
    item: 'token',
    within: ['gateway'],
    path: (gateway) => `/gateways/${gateway}/tokens`,
    columns: {
      id: 'id',
      note: 'note',
      expires: 'expiresAt',
      expired: 'expired',
      created: 'createdAt',
      by: 'createdBy.name',
      used: 'lastUsedAt',
    },
    shownOnce: true,
    verbs: ['list', 'show', 'create', 'delete'],
    create: [
      {
        flags: '--expires-in-days <N>',
        description: '1 to 365, 0 for never; 90 unless given',
        body: (value) => ({ expiresInDays: parseNumber(value) }),
      },
      { flags: '--note <TEXT>', description: 'who has it', body: (value) => ({ note: value }) },
    ],
  },
  {
    name: 'destinations',
    summary: 'resources reached through a gateway, with their fronts',
    item: 'destination',
    within: ['gateway'],
    path: (gateway) => `/gateways/${gateway}/destinations`,
    columns: {
      id: 'id',
      name: 'name',
      enabled: 'enabled',
      front: 'front.url',
      clientPort: 'clientPort',
      host: 'resource.host',
      port: 'resource.port',
      listening: 'listening.*.listening|listeners.*.listening',
      allowed: 'accessList.allowed',
      health: 'health.status',
      warnings: 'warnings.*.code',
    },
    verbs: ['list', 'show', 'create', 'update', 'delete'],
    arguments: [
      { name: '<name>', description: 'its name', body: (value) => ({ name: value }) },
      {
        name: '<host:port>',
        description: 'what the client dials',
        body: (value) => ({ resource: parseHostPort(value) }),
      },
    ],
    create: [frontHost, frontPort, cloud, hosts, proxy, proxyPassword, compress, disable, data],
    update: [
      name,
      resource,
      frontHost,
      frontPort,
      cloud,
      hosts,
      anotherProxy,
      proxyPassword,
      noProxy,
      compress,
      noCompression,
      enable,
      disable,
      data,
    ],
  },
  {
    name: 'certificates',
    summary: 'certificates and CAs that destinations name',
    item: 'certificate',
    within: [],
    path: () => '/certificates',
    columns: {
      id: 'id',
      name: 'name',
      kind: 'kind',
      subject: 'subject',
      ends: 'notAfter',
      key: 'hasKey',
      'used by': 'usedBy.*.name',
      warnings: 'warnings.*.code',
    },
    verbs: ['list', 'show', 'update', 'delete'],
    update: [name],
  },
  {
    name: 'clients',
    summary: 'clients that are connected now; delete ends one',
    item: 'client',
    within: ['gateway'],
    path: (gateway) => `/gateways/${gateway}/clients`,
    columns: {
      id: 'id',
      name: 'name',
      version: 'version',
      address: 'address',
      since: 'connectedAt',
      nodes: 'tunnels.*.node',
    },
    verbs: ['list', 'show', 'delete'],
  },
  {
    name: 'fronts',
    summary: 'every front-side host and port',
    item: 'front',
    within: [],
    path: () => '/fronts',
    columns: {
      url: 'url',
      destination: 'name',
      gateway: 'gatewayId',
      enabled: 'enabled',
      nodes: 'listening.*.node',
      listening: 'listening.*.listening',
      fault: 'listening.*.error',
    },
    verbs: ['list'],
  },
  {
    name: 'nodes',
    summary: 'the running edges',
    item: 'node',
    within: [],
    path: () => '/nodes',
    columns: {
      name: 'name',
      address: 'address',
      ready: 'ready',
      draining: 'draining',
      heard: 'heard',
      tunnels: 'tunnels',
      callers: 'callers',
      behind: 'behind',
      version: 'version',
    },
    verbs: ['list', 'show'],
  },
];
