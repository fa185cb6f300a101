import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DestinationInput } from '@postern/contracts';
import { emptyList } from './fixture/revocation-list.ts';
import type { DestinationForm } from './document.ts';
import { destinationForm, gatewayForm, patchDestination } from './form.ts';

function withListener(tls: object, protocol: 'tcp' | 'udp' = 'tcp'): DestinationInput {
  const resource = { ...input.resource, protocol };
  return { ...input, kind: 'cloud', clientPort: 12000, resource, listener: { tls } };
}

function withResource(change: Partial<DestinationInput['resource']>): DestinationInput {
  return { name: 'db', resource: { host: '10.0.0.5', port: 5432, ...change } };
}

interface Refusal {
  code: string;
  body: { status: number; errors: { path: string }[] };
}

const input: DestinationInput = { name: 'db', resource: { host: '10.0.0.5', port: 5432 } };
function fronted(form: DestinationForm): DestinationForm & { kind: 'on-premises' } {
  assert(form.kind === 'on-premises');
  return form;
}

const at =
  (path: string) =>
  (error: unknown): boolean =>
    (error as Refusal).body.errors[0]?.path === path;

const form = fronted(destinationForm(input));
const stored = {
  id: 'd',
  revision: 1,
  createdAt: '',
  modifiedAt: '',
  gatewayId: 'g',
  ...form,
  front: { ...form.front, host: 'db-g.p', port: 15000 },
};

test('a destination of name and resource has every other field by default', () => {
  assert.deepEqual(destinationForm(input), {
    name: 'db',
    kind: 'on-premises',
    enabled: true,
    resource: {
      host: '10.0.0.5',
      port: 5432,
      protocol: 'tcp',
      tls: {
        mode: 'none',
        serverName: null,
        caCertificateIds: [],
        clientCertificateId: null,
        rejectUnauthorized: true,
      },
      proxy: null,
      connectTimeoutSeconds: 30,
      idleTimeoutSeconds: 0,
      keepAliveSeconds: 60,
      compress: false,
    },
    front: {
      protocol: 'tcp',
      host: null,
      port: null,
      tls: {
        mode: 'none',
        certificateId: null,
        clientCaIds: [],
        clientNames: [],
        revocationLists: [],
        revocationListUrls: [],
        passClientCertificate: false,
      },
      proxyProtocol: 'off',
      proxyProtocolFacts: false,
    },
    health: { kind: 'none', path: '/', intervalSeconds: 10 },
  });
});

const unserved: [path: string, change: object][] = [
  [
    '/resource/tls/mode',
    { kind: 'cloud', clientPort: 1, resource: { protocol: 'udp', tls: { mode: 'tls' } } },
  ],
  ['/resource/tls/mode', { front: { protocol: 'udp' }, resource: { tls: { mode: 'tls' } } }],
  [
    '/resource/proxy',
    { front: { protocol: 'udp' }, resource: { proxy: { type: 'socks5', host: 'p', port: 1080 } } },
  ],
  [
    '/resource/proxy/password',
    { resource: { proxy: { type: 'socks5', host: 'p', port: 1080, username: 'u', password: 'secret' } } },
  ],
];

for (const [path, change] of unserved) {
  test(`what is not served is refused by name: ${JSON.stringify(change)}`, () => {
    const resource = { ...input.resource, ...('resource' in change ? (change.resource as object) : {}) };
    assert.throws(
      () => destinationForm({ ...input, ...change, resource }),
      (error: Refusal) =>
        error.code === 'ROUTER_NOT_SUPPORTED' &&
        error.body.status === 422 &&
        !JSON.stringify(error.body).includes('secret') &&
        error.body.errors[0]?.path === path,
    );
  });
}

const proxy = { host: 'p', port: 1080, username: 'u', passwordId: 'passwordx' };

const noList = '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n';

const wrong: [path: string, input: DestinationInput][] = [
  ['/health/kind', { ...withResource({}), health: { kind: 'udp' } }],
  ['/health/kind', { ...withResource({}), health: { kind: 'tcp' }, front: { protocol: 'udp' } }],
  ['/resource/proxy/password', withResource({ proxy: { ...proxy, type: 'socks4a' } })],
  [
    '/resource/proxy/username',
    withResource({ proxy: { type: 'socks5', host: 'p', port: 1080, passwordId: 'passwordx' } }),
  ],
  ['/resource/compress', { ...withResource({ compress: true }), front: { protocol: 'udp' } }],
  ['/resource/compress', { ...withResource({ compress: true }), front: { tls: { mode: 'passthrough' } } }],
  ['/resource/proxy/host', withResource({ proxy: { type: 'socks5', host: 'a b', port: 1 } })],
  ['/resource/tls/clientCertificateId', withResource({ tls: { mode: 'mutual' } })],
  ['/resource/tls/serverName', withResource({ tls: { mode: 'tls', serverName: 'a b' } })],
  ['/name', { ...input, name: '日本' }],
  ['/resource/host', { ...input, resource: { host: 'http://a', port: 1 } }],
  ['/resource/host', { ...input, resource: { host: '127.1', port: 1 } }],
  ['/front/host', { ...input, front: { host: 'a b' } }],
  ['/front/host', { ...input, front: { host: '*.example.com' } }],
  ['/front/host', { ...input, front: { host: '*.com', tls: { mode: 'passthrough' } } }],
  ['/front/host', { ...input, front: { host: 'a.*.com', tls: { mode: 'passthrough' } } }],
  ['/front/host', { ...input, front: { host: '*.*.com', tls: { mode: 'passthrough' } } }],
  ['/front/host', { ...input, front: { host: '*.bad-.com', tls: { mode: 'passthrough' } } }],
  ['/front/host', { ...input, front: { host: '-bad-.com' } }],
  ['/front/host', { ...input, front: { host: 'a.-b.com' } }],
  ['/front/host', { ...input, front: { host: `${'a'.repeat(64)}.com` } }],
  ['/front/host', { ...input, front: { host: 'a.b..com' } }],
  ['/front/host', { ...input, front: { host: `${'a'.repeat(62)}.`.repeat(4) + 'ab' } }],
  ['/front/tls/certificateId', { ...input, front: { tls: { certificateId: 'c' } } }],
  ['/front/tls/certificateId', { ...input, front: { tls: { mode: 'passthrough', certificateId: 'c' } } }],
  ['/front/tls/clientCaIds', { ...input, front: { tls: { mode: 'mutual' } } }],
  ['/front/tls/clientCaIds', { ...input, front: { tls: { mode: 'server', clientCaIds: ['c'] } } }],
  ['/front/tls/clientNames', { ...input, front: { tls: { mode: 'server', clientNames: ['CN:a'] } } }],
  [
    '/front/tls/revocationLists/1',
    {
      ...input,
      front: { tls: { mode: 'mutual', clientCaIds: ['c'], revocationLists: [emptyList, noList] } },
    },
  ],
  ['/front/tls/mode', { ...input, front: { protocol: 'udp', tls: { mode: 'server' } } }],
  ['/front/proxyProtocol', { ...input, front: { protocol: 'udp', proxyProtocol: 'v1' } }],
  ['/front/proxyProtocolFacts', { ...input, front: { proxyProtocol: 'v1', proxyProtocolFacts: true } }],
  ['/clientPort', { ...input, clientPort: 12000 }],
  ['/clientPort', { ...input, kind: 'cloud' }],
  ['/front', { ...input, kind: 'cloud', clientPort: 12000, front: {} }],
  ['/listener', { ...input, listener: {} }],
  ['/listener/tls/certificateId', withListener({ mode: 'server' })],
  ['/listener/tls/certificateId', withListener({ certificateId: 'c' })],
  ['/listener/tls/clientCaIds', withListener({ mode: 'mutual', certificateId: 'c' })],
  ['/listener/tls/clientCaIds', withListener({ mode: 'server', certificateId: 'c', clientCaIds: ['a'] })],
  ['/listener/tls/mode', withListener({ mode: 'server', certificateId: 'c' }, 'udp')],
  [
    '/resource/protocol',
    { ...input, front: { protocol: 'tcp' }, resource: { ...input.resource, protocol: 'http' } },
  ],
];

for (const [path, body] of wrong) {
  test(`what is wrong is refused with its place: ${path} of ${JSON.stringify(body)}`, () => {
    assert.throws(
      () => destinationForm(body),
      (error: Refusal) =>
        error.code === 'ROUTER_INVALID' && error.body.status === 400 && error.body.errors[0]?.path === path,
    );
  });
}

test('the dot of the root is no part of a front’s host', () => {
  assert.equal(
    fronted(destinationForm({ ...input, front: { host: 'shop.example.' } })).front.host,
    'shop.example',
  );
});

test('IPv6 resources are kept without brackets', () => {
  assert.equal(destinationForm({ ...input, resource: { host: '[::1]', port: 1 } }).resource.host, '::1');
});

test("a patch leaves what it does not name, and the front's host even when it takes it away; a port of null may be another", () => {
  const form = fronted(
    patchDestination(stored, { resource: { port: 5433 }, front: { host: null, port: null } }),
  );
  assert.deepEqual(form.resource, { ...stored.resource, port: 5433 });
  assert.deepEqual([form.front.host, form.front.port], ['db-g.p', null]);
  const kept = fronted(patchDestination(stored, { front: { host: null } }));
  assert.deepEqual([kept.front.host, kept.front.port], ['db-g.p', 15000]);
});

test('names of other scripts are kept in ASCII, as they are resolved, called, claimed and compared', () => {
  const { resource, front } = fronted(
    destinationForm({
      ...input,
      resource: {
        host: 'münchen.corp',
        port: 443,
        tls: { mode: 'tls', serverName: 'köln.corp' },
        proxy: { type: 'socks5', host: 'česko.corp', port: 1080 },
        hosts: { 'Česko.corp': '10.0.0.1' },
      },
      front: { host: '*.zürich.example', tls: { mode: 'server' } },
    }),
  );
  assert.equal(resource.host, 'xn--mnchen-3ya.corp');
  assert.equal(resource.tls.serverName, 'xn--kln-sna.corp');
  assert.equal(resource.proxy?.host, 'xn--esko-fua.corp');
  assert.deepEqual(resource.hosts, { 'xn--esko-fua.corp': '10.0.0.1' });
  assert.equal(front.host, '*.xn--zrich-kva.example');
  const same = { ...stored, resource };
  const patched = patchDestination(same, { resource: { proxy: { host: 'česko.corp' } } });
  assert.deepEqual(patched.resource, resource);
});

test('a patch means the name that is stored, however it spells it', () => {
  const hosts = { 'česko.corp': '10.0.0.9' };
  const resource = destinationForm(withResource({ host: 'česko.corp', hosts })).resource;
  const of = (change: object) =>
    patchDestination({ ...stored, resource }, { resource: change }).resource.hosts;
  assert.equal(of({ hosts: { 'česko.corp': null } }), undefined);
  assert.deepEqual(of({ hosts: { 'česko.corp': '10.0.0.10' } }), { 'xn--esko-fua.corp': '10.0.0.10' });
  // As an earlier version stored it.
  const proxy = {
    type: 'socks5',
    host: 'česko.corp',
    port: 1,
    username: 'u',
    passwordId: 'passwordx1',
  } as const;
  const old = { ...stored, resource: { ...stored.resource, proxy } };
  assert.equal(patchDestination(old, { enabled: false }).enabled, false);
});

test('the password of a proxy is asked for anew where the proxy or its user is another', () => {
  const proxy = {
    type: 'socks5',
    host: 'proxy.corp',
    port: 1080,
    username: 'u',
    passwordId: 'passwordx1',
  } as const;
  const before = { ...stored, resource: { ...stored.resource, proxy } };
  const patched = (change: object | null) =>
    patchDestination(before, { resource: { proxy: change } }).resource.proxy;
  for (const change of [{ host: 'other.corp' }, { port: 1081 }, { username: 'v' }])
    assert.throws(() => patched(change), at('/resource/proxy/password'));
  assert.equal(patched({ host: 'proxy.corp' })?.passwordId, 'passwordx1');
  assert.equal(patched({ host: 'other.corp', passwordId: 'passwordx2' })?.host, 'other.corp');
  assert.equal(patched({ host: 'other.corp', username: null, passwordId: null })?.host, 'other.corp');
  assert.equal(patched(null), null);
});

test('a patch goes also into what another version has stored with a field that this one does not know', () => {
  const tls = { ...stored.resource.tls, servername: 'x' };
  const patched = patchDestination({ ...stored, resource: { ...stored.resource, tls } }, { enabled: false });
  assert.deepEqual([patched.enabled, patched.resource.tls], [false, tls]);
});

test('what is no host is refused, in whatever script it is written, and where it is null', () => {
  for (const host of [
    'é.example/x',
    'é.example?x',
    'é.example#x',
    'é.example\\x',
    'é@x.example',
    'é%2e.example',
    '1.２',
  ])
    assert.throws(() => destinationForm(withResource({ host })), at('/resource/host'), host);
  const hosts = { 'db.corp': '10.0.0.9' };
  const { resource } = destinationForm(withResource({ host: 'db.corp', hosts }));
  const patched = () => patchDestination({ ...stored, resource }, { resource: { host: null } });
  assert.throws(patched, at('/resource/host'));
});

test('one name with two addresses is refused, however it is written', () => {
  for (const [one, other] of [
    ['res.corp', 'RES.corp'],
    ['münchen.corp', 'xn--mnchen-3ya.corp'],
  ] as const) {
    const hosts = { [one]: '10.0.0.1', [other]: '10.0.0.2' };
    assert.throws(() => destinationForm(withResource({ host: one, hosts })), at(`/resource/hosts/${other}`));
  }
});

test('what a mode of TLS to the resource has no use for is refused by name', () => {
  for (const [field, tls] of [
    ['caCertificateIds', { caCertificateIds: ['c'] as string[] }],
    ['rejectUnauthorized', { rejectUnauthorized: false }],
    ['serverName', { serverName: 'db.corp' }],
    ['clientCertificateId', { clientCertificateId: 'c' }],
    ['clientCertificateId', { mode: 'tls', clientCertificateId: 'c' }],
  ] as const) {
    assert.throws(() => destinationForm(withResource({ tls })), at(`/resource/tls/${field}`));
  }
  const health = { kind: 'tls' } as const;
  destinationForm({ ...withResource({ tls: { serverName: 'db.corp' } }), health });
});

test('a URL from which no revocation list can be fetched is refused, since nobody would be let in', () => {
  const listedAt = (url: string) =>
    destinationForm({
      ...input,
      front: { tls: { mode: 'mutual', clientCaIds: ['c'], revocationListUrls: [url] } },
    });
  listedAt('http://crl.corp:8080/ca.crl');
  for (const url of ['http://', 'https://[', 'http://a b/', 'http://x:99999/', 'http://me:pw@crl.corp/'])
    assert.throws(() => listedAt(url), at('/front/tls/revocationListUrls/0'));
});

test('a path for the check over HTTP that cannot be sent as it is is refused', () => {
  const checked = (path: string) => destinationForm({ ...input, health: { kind: 'http', path } });
  checked('/ready?deep=%20');
  for (const path of ['/a b', '/a\r\nX: y', '/\u0000', '/ä'])
    assert.throws(() => checked(path), at('/health/path'));
});

test('a user that SOCKS has no room for is refused, counted in bytes', () => {
  const proxy = (username: string) => ({ type: 'socks5', host: 'p.corp', port: 1080, username }) as const;
  destinationForm(withResource({ proxy: proxy('é'.repeat(127)) }));
  assert.throws(
    () => destinationForm(withResource({ proxy: proxy('é'.repeat(128)) })),
    at('/resource/proxy/username'),
  );
});

test('a patch that gives the protocol of the front or of its resource gives it for both, as a creation does', () => {
  const protocols = (patch: object) => {
    const { front, resource } = fronted(patchDestination(stored, patch));
    return [front.protocol, resource.protocol];
  };
  assert.deepEqual(protocols({ front: { protocol: 'http' } }), ['http', 'http']);
  assert.deepEqual(protocols({ resource: { protocol: 'http' } }), ['http', 'http']);
  assert.deepEqual(protocols({ front: { protocol: 'udp' }, resource: { protocol: 'udp' } }), ['udp', 'udp']);
  assert.deepEqual(protocols({ front: { protocol: null } }), ['tcp', 'tcp']);
  const both = { front: { protocol: 'http' }, resource: { protocol: 'tcp' } };
  assert.throws(() => protocols(both), at('/resource/protocol'));
});

test('a cloud destination has a clientPort in place of a front, and its kind is for life', () => {
  const cloud = destinationForm({ ...input, kind: 'cloud', clientPort: 12000 });
  assert.equal('front' in cloud, false);
  assert(cloud.kind === 'cloud');
  assert.equal(cloud.clientPort, 12000);
  assert.deepEqual(cloud.listener, { tls: { mode: 'none', certificateId: null, clientCaIds: [] } });
  const document = { ...cloud, id: 'd', revision: 1, createdAt: '', modifiedAt: '', gatewayId: 'g' };
  const patched = patchDestination(document, { clientPort: 12001, resource: { protocol: 'udp' } });
  assert.deepEqual(patched, {
    ...cloud,
    clientPort: 12001,
    resource: { ...cloud.resource, protocol: 'udp' },
  });
  assert.throws(() => patchDestination(document, { kind: 'on-premises', clientPort: null }), {
    code: 'ROUTER_INVALID',
    message: /\/kind is fixed/,
  });
  assert.throws(() => patchDestination(stored, { kind: 'cloud', front: null, clientPort: 1 }), {
    code: 'ROUTER_INVALID',
  });
});

test('a patch is checked as a whole, and names what is wrong', () => {
  for (const patch of [
    { name: null },
    { resource: { port: 0 } },
    { unknown: 1 },
    { id: 'x' },
    { front: { tls: { mode: 'x' } } },
  ]) {
    assert.throws(() => patchDestination(stored, patch), { code: 'ROUTER_INVALID' });
  }
});

test('what a patch takes away although it must be there is named at its place', () => {
  for (const [patch, path] of [
    [{ resource: null }, '/resource'],
    [{ resource: { host: null } }, '/resource/host'],
  ] as const) {
    assert.throws(() => patchDestination(stored, patch), { message: `${path} is required` });
  }
});

test('a gateway needs a name that is not blank, and asks for tokens by default', () => {
  assert.deepEqual(gatewayForm({ name: 'plant' }), {
    name: 'plant',
    description: '',
    enabled: true,
    requireToken: true,
  });
  assert.throws(() => gatewayForm({ name: ' ' }), { code: 'ROUTER_INVALID' });
});
