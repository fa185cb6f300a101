// The matrix: what the caller speaks × what the resource wants × the direction, each cell with every byte hashed both
// ways; for each cell with certificates the wrong ones, with the cause that is told; and what is not served, refused by
// name. The tables are whole: a cell that is neither served nor refused fails to compile.

import assert from 'node:assert/strict';
import { type TestContext, after, before, describe, test } from 'node:test';
import type { DestinationInput } from '@postern/contracts';
import {
  type Cluster,
  type Endpoint,
  type Resource,
  type ShownDestination,
  type Site,
  bootCluster,
  frontAt,
  startSite,
} from '@postern/test-cluster';
import { freePort, until } from '@postern/test-kit';
import { type Pair, TestCa, storeCertificate } from './fixture/certificate-store.ts';
import { type DatagramEcho, startDatagramEcho } from './fixture/datagrams.ts';
import {
  type Application,
  type Call,
  type MatrixResource,
  call,
  startMatrixResource,
} from './fixture/matrix-side.ts';
import { startVerifyingServer } from './fixture/verifying-server.ts';

const directions = ['on-premises', 'cloud'] as const;
const resourceSides = ['plain', 'tls', 'mutual'] as const;
type Direction = (typeof directions)[number];
type ResourceSide = (typeof resourceSides)[number];

interface CallerSide {
  readonly speaks: Call['speaks'];
  readonly application: Application;
  /** TLS that the gateway ends with the caller. */
  readonly ends: 'none' | 'server' | 'mutual';
  readonly passes: boolean;
}

const callerSides = {
  tcp: { speaks: 'bytes', application: 'bytes', ends: 'none', passes: false },
  tls: { speaks: 'bytes', application: 'bytes', ends: 'server', passes: false },
  mutual: { speaks: 'bytes', application: 'bytes', ends: 'mutual', passes: false },
  http: { speaks: 'http', application: 'http', ends: 'none', passes: false },
  https: { speaks: 'http', application: 'http', ends: 'server', passes: false },
  'https mutual': { speaks: 'http', application: 'http', ends: 'mutual', passes: false },
  passthrough: { speaks: 'bytes', application: 'tls inside', ends: 'none', passes: true },
  udp: { speaks: 'udp', application: 'bytes', ends: 'none', passes: false },
} as const satisfies Record<string, CallerSide>;
type Caller = keyof typeof callerSides;

/** Served, or the field that is named in the refusal. */
type Cell = 'served' | '/resource/tls/mode';
type Row = Readonly<Record<ResourceSide, Cell>>;
const all: Row = { plain: 'served', tls: 'served', mutual: 'served' };
const datagrams: Row = { plain: 'served', tls: '/resource/tls/mode', mutual: '/resource/tls/mode' };

/** In both directions. A client passes on what it does not end, so TLS that is passed through is TCP there. */
const matrix: Readonly<Record<Caller, Row>> = {
  tcp: all,
  tls: all,
  mutual: all,
  http: all,
  https: all,
  'https mutual': all,
  passthrough: all,
  udp: datagrams,
};

type ServerPair = 'right' | 'other CA' | 'expired' | 'wrong name';
type ClientPair = 'right' | 'other CA' | 'expired' | 'none';

const place = String.raw`127\.0\.0\.1:\d+`;
const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z`;
const remedy = 'give one that a CA of its choice has signed, with its key';

/** What is wrong at the resource's side, and what is told of it, from the first word to the last. */
const wrongResources: readonly {
  sides: readonly ResourceSide[];
  server: ServerPair;
  client: ClientPair;
  told: RegExp;
}[] = [
  {
    sides: ['tls', 'mutual'],
    server: 'other CA',
    client: 'right',
    told: wholly(
      String.raw`${place} shows a certificate \(db\.corp\.example\) signed by Other CA, which is not a trusted CA: a proxy that inspects TLS may be in between; let it pass this host untouched, or give the right CA to trust`,
    ),
  },
  {
    sides: ['tls', 'mutual'],
    server: 'expired',
    client: 'right',
    told: wholly(
      String.raw`the certificate of ${place} \(db\.corp\.example\) ended on [^:]+:\d\d:\d\d \d{4} GMT: it must be renewed; is the clock here right\?`,
    ),
  },
  {
    sides: ['tls', 'mutual'],
    server: 'wrong name',
    client: 'right',
    told: wholly(
      String.raw`${place} shows a certificate for elsewhere\.example, not for db\.corp\.example: use one of its names, or give the peer a certificate with this one`,
    ),
  },
  {
    sides: ['mutual'],
    server: 'right',
    client: 'none',
    told: wholly(`${place} asks for a client certificate, and none is given: ${remedy}`),
  },
  {
    sides: ['mutual'],
    server: 'right',
    client: 'other CA',
    told: wholly(
      String.raw`${place} refused the client certificate \(CN=other, signed by CN=Other CA\): it does not know the CA that signed it; ${remedy}`,
    ),
  },
  {
    sides: ['mutual'],
    server: 'right',
    client: 'expired',
    told: wholly(
      String.raw`${place} refused the client certificate \(CN=ended, signed by CN=Client CA; it ended on ${time}\): it has expired; ${remedy}`,
    ),
  },
];

/** What is wrong with the caller's certificate, where it must show one. */
const wrongCallers: readonly { client: ClientPair; told: RegExp }[] = [
  {
    client: 'none',
    told: wholly('the caller showed no certificate, and this (?:front|listener) asks for one'),
  },
  {
    client: 'other CA',
    told: wholly(
      String.raw`the caller's certificate \(CN=other\) is signed by CN=Other CA, which is not one of the client CAs, and leads to none: where that is an intermediate CA, the caller must send it too, or it must be added to them`,
    ),
  },
  {
    client: 'expired',
    told: wholly(String.raw`the caller's certificate \(CN=expired\) expired on ${time}: it must be renewed`),
  },
];

/** A sentence, with nothing after it: a quote where it stands in a line of JSON. */
function wholly(sentence: string): RegExp {
  return new RegExp(`${sentence}(?=$|")`);
}

/** Time to upload it in. */
const endsAfterMs = 10_000;

let cluster: Cluster;
let site: Site;
let udp: DatagramEcho;
let verifying: Resource;
let server: TestCa;
let ids: {
  front: string;
  serverCa: string;
  clientCa: string;
  clients: Record<Exclude<ClientPair, 'none'>, string>;
};
let serverPairs: Record<ServerPair, Pair>;
let clientPairs: Record<Exclude<ClientPair, 'none'>, Pair>;
let frontPair: Pair;
const resources = new Map<string, Promise<MatrixResource>>();

before(async () => {
  const [booted, ...cas] = await Promise.all([
    bootCluster({ nodes: 2, args: { edge: ['--cloud-local'] } }),
    TestCa.make('Server CA'),
    TestCa.make('Client CA'),
    TestCa.make('Other CA'),
  ]);
  cluster = booted;
  const [ours, clients, other] = cas;
  server = ours;
  const notAfter = new Date(Date.now() - 60_000);
  const name = { names: ['db.corp.example'], usage: 'server' } as const;
  serverPairs = {
    right: await ours.issue(name),
    'other CA': await other.issue(name),
    expired: await ours.issue({ ...name, notAfter }),
    'wrong name': await ours.issue({ ...name, names: ['elsewhere.example'] }),
  };
  clientPairs = {
    right: await clients.issue({ commonName: 'right', usage: 'client' }),
    'other CA': await other.issue({ commonName: 'other', usage: 'client' }),
    expired: await clients.issue({ commonName: 'expired', usage: 'client', notAfter }),
  };
  frontPair = await ours.issue({ names: ['*.corp.example'], usage: 'server' });
  const keep = async (pair: { certPem: string; keyPem?: string }) =>
    (await storeCertificate(cluster, pair)).id;
  // One that has ended is not taken, and may end where it lies.
  const endsAt = new Date(Date.now() + endsAfterMs);
  const ending = await keep(await clients.issue({ commonName: 'ended', usage: 'client', notAfter: endsAt }));
  ids = {
    front: await keep(frontPair),
    serverCa: await keep({ certPem: ours.caPem }),
    clientCa: await keep({ certPem: clients.caPem }),
    clients: {
      right: await keep(clientPairs.right),
      'other CA': await keep(clientPairs['other CA']),
      expired: ending,
    },
  };
  clientCaPem = clients.caPem;
  otherCaPem = other.caPem;
  udp = await startDatagramEcho();
  verifying = await startVerifyingServer(serverPairs.right, clients.caPem);
  site = await startSite(cluster, { resources: {} });
  await cluster.admin.putAccessList(site.gateway.id, [{ action: 'allow', host: '*', port: '*' }]);
  await until(Date.now, (now) => now > endsAt.getTime());
});
let clientCaPem: string;
let otherCaPem: string;

after(async () => {
  await site?.stop();
  await cluster?.stop();
  await udp?.stop();
  await verifying?.stop();
  await Promise.all([...resources.values()].map(async (resource) => (await resource).stop()));
});

interface Spot {
  readonly direction: Direction;
  readonly caller: Caller;
  readonly side: ResourceSide;
}

const spots: readonly Spot[] = directions.flatMap((direction) =>
  (Object.keys(callerSides) as Caller[]).flatMap((caller) =>
    resourceSides.map((side) => ({ direction, caller, side })),
  ),
);

/** The resource of a cell; those that are alike are one. */
function resourceOf({ caller, side }: Spot, pair: ServerPair): Promise<MatrixResource> {
  const { application } = callerSides[caller];
  const key = `${application} ${side} ${pair}`;
  const found =
    resources.get(key) ??
    startMatrixResource({
      application,
      pair: side === 'plain' ? null : serverPairs[pair],
      clientCa: side === 'mutual' ? clientCaPem : null,
      inside: frontPair,
    });
  resources.set(key, found);
  return found;
}

let count = 0;

/** What the operator writes for a cell. */
async function inputOf(
  spot: Spot,
  server: ServerPair = 'right',
  client: ClientPair = 'right',
): Promise<DestinationInput> {
  const { direction, caller, side } = spot;
  const { speaks, ends, passes } = callerSides[caller];
  // Node's servers break off without a word, OpenSSL's says what it has against a client certificate.
  const stranger = side === 'mutual' && (client === 'other CA' || client === 'expired');
  const { host, port } = speaks === 'udp' ? udp : stranger ? verifying : await resourceOf(spot, server);
  count += 1;
  const label = `cell-${count}`;
  const protocol = speaks === 'bytes' ? 'tcp' : speaks;
  const clientCertificateId = side !== 'mutual' || client === 'none' ? null : ids.clients[client];
  const tls = {
    mode: clientCertificateId === null ? ('tls' as const) : ('mutual' as const),
    serverName: 'db.corp.example',
    caCertificateIds: [ids.serverCa],
    clientCertificateId,
  };
  const resource = { host, port, protocol, ...(side === 'plain' ? {} : { tls }) } as const;
  const ended = {
    mode: ends,
    ...(ends === 'none' ? {} : { certificateId: ids.front }),
    ...(ends === 'mutual' ? { clientCaIds: [ids.clientCa] } : {}),
  };
  if (direction === 'cloud') {
    const listener = ends === 'none' ? {} : { listener: { tls: ended } };
    return { name: label, kind: 'cloud', clientPort: await freePort(), resource, ...listener };
  }
  const shown = passes ? { mode: 'passthrough' as const } : ended;
  return { name: label, resource, front: { protocol, host: `${label}.corp.example`, tls: shown } };
}

function placeOf(destination: ShownDestination): Endpoint {
  const { clientPort } = destination;
  return clientPort === undefined ? frontAt(cluster, destination) : { host: '127.0.0.1', port: clientPort };
}

/** Calls as the caller's side of a cell does, with this certificate where it must show one. */
function callAs(
  caller: Caller,
  destination: ShownDestination,
  client: ClientPair = 'right',
  ca = server.caPem,
): Promise<string> {
  const { speaks, ends, passes } = callerSides[caller];
  const pair = ends === 'mutual' && client !== 'none' ? clientPairs[client] : null;
  const shown = pair === null ? {} : { cert: pair.certPem, key: pair.keyPem };
  const tls = ends === 'none' && !passes ? null : { ca, ...shown };
  const name = destination.front?.host ?? `${destination.name}.corp.example`;
  return call(placeOf(destination), { speaks, tls, name });
}

/** Makes the destination of a cell, for as long as its test runs: a gateway has at most 64 cloud ones. */
async function make(t: TestContext, input: Promise<DestinationInput>): Promise<ShownDestination> {
  const made = await cluster.admin.createDestination(site.gateway.id, await input);
  t.after(() => cluster.admin.deleteDestination(site.gateway.id, made.id));
  return made;
}

/** Calls until the log of who takes callers tells this cause; what is told is bounded per second, so one call may go untold. */
async function demandCause(
  spot: Spot,
  destination: ShownDestination,
  told: { code: string; text: RegExp },
  attempt: () => Promise<string>,
): Promise<void> {
  const part = spot.direction === 'cloud' ? site.client.part : cluster.part('edge-1');
  const texts = [`"destinationId":"${destination.id}"`, `"code":"${told.code}"`].map((text) =>
    RegExp.escape(text),
  );
  const ahead = [...texts, told.text.source].map((source) => `(?=.*${source})`).join('');
  let isTold = false;
  const line = part.line(new RegExp(`^${ahead}`), 60_000).then(() => (isTold = true));
  const calls = until(attempt, () => isTold);
  await Promise.race([line, calls]);
  await line;
  assert.notEqual(await calls, 'whole');
}

/** The same in the API, with who listens: the nodes at its front, or the clients of a cloud destination. */
async function demandShown({ id }: ShownDestination, code: string, told: RegExp): Promise<void> {
  await until(
    async () => {
      const { listening = [], listeners = [] } = await cluster.admin.destination(site.gateway.id, id);
      return [...listening, ...listeners];
    },
    (shown) => shown.some(({ lastRefusal: last }) => last?.code === code && told.test(last.text)),
  );
}

describe('the matrix', { concurrency: 8 }, () => {
  for (const spot of spots) {
    const { direction, caller, side } = spot;
    const cell = matrix[caller][side];
    const title = `${direction}: ${caller} to ${side}`;
    const { ends } = callerSides[caller];

    if (cell !== 'served') {
      test(`${title} is refused by name: ${cell}`, async () => {
        const answer = await cluster.admin.send(
          'POST',
          `/gateways/${site.gateway.id}/destinations`,
          await inputOf(spot),
        );
        const body = answer.body as { code: string; errors: { path: string }[] };
        assert.deepEqual(
          [answer.status, body.code, body.errors[0]?.path],
          [422, 'ROUTER_NOT_SUPPORTED', cell],
        );
      });
      continue;
    }

    test(`${title} carries every byte both ways`, async (t) => {
      const destination = await make(t, inputOf(spot));
      await until(
        () => callAs(caller, destination),
        (answer) => answer === 'whole',
      );
      if (ends !== 'none') {
        assert.match(await callAs(caller, destination, 'right', otherCaPem), /UNABLE_TO_|SELF_SIGNED/);
      }
      if (ends !== 'mutual') return;
      const code = direction === 'cloud' ? 'CLIENT_CALLER_CERTIFICATE' : 'EDGE_CLIENT_CERTIFICATE';
      for (const { client, told } of wrongCallers) {
        await demandCause(spot, destination, { code, text: told }, () => callAs(caller, destination, client));
        await demandShown(destination, code, told);
      }
    });

    for (const wrong of wrongResources.filter(({ sides }) => sides.includes(side))) {
      const { server, client, told } = wrong;
      const what = server === 'right' ? `client certificate: ${client}` : `resource's certificate: ${server}`;
      test(`${title} is cut with the cause, ${what}`, async (t) => {
        const destination = await make(t, inputOf(spot, server, client));
        const code = direction === 'cloud' ? 'CLIENT_RESOURCE_TLS' : 'EDGE_RESOURCE_TLS';
        await demandCause(spot, destination, { code, text: told }, () => callAs(caller, destination));
        // The same in the API, where the destination is tested by who dials: its client, or of a cloud one each node.
        const { ok, clients, nodes } = await cluster.admin.testDestination(site.gateway.id, destination.id);
        const testers = direction === 'cloud' ? nodes : clients;
        const texts = testers.flatMap(({ steps }) => steps.map((step) => step.text));
        assert.equal(ok, false);
        assert.match(texts.join(' '), told);
      });
    }
  }

  test('no byte of one caller ever comes to another, whatever they speak, however many call at once', async (t) => {
    const kinds = ['tcp', 'tls', 'http', 'https'] as const;
    const destinations = await Promise.all(
      kinds.map((caller) => make(t, inputOf({ direction: 'on-premises', caller, side: 'tls' }))),
    );
    const callers = kinds.flatMap((caller, index) => {
      const destination = destinations[index] as ShownDestination;
      return Array.from({ length: 3 }, () => () => callAs(caller, destination));
    });
    await Promise.all(
      callers.map(async (attempt) => {
        await until(attempt, (answer) => answer === 'whole');
        for (let calls = 0; calls < 20; calls += 1) assert.equal(await attempt(), 'whole');
      }),
    );
  });

  test('a key that is not the certificate’s is refused where it is given', async () => {
    for (const one of [serverPairs.right, clientPairs.right]) {
      const body = { name: 'mixed', pem: one.certPem, keyPem: clientPairs.expired.keyPem };
      const answer = await cluster.admin.send('POST', '/certificates', body);
      assert.equal(answer.status, 400);
      assert.match(JSON.stringify(answer.body), /CERTSTORE_KEY_MISMATCH/);
    }
  });
});
