// What strangers and bad clients may try. Each gets its answer, or is cut at its bound; a caller of an honest gateway
// does not notice (a probe runs through all of it), honest clients come in meanwhile, and memory comes back.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type Socket, connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { connectMongo } from '@postern/store/mongo';
import {
  type Cluster,
  type Endpoint,
  type Resource,
  type Site,
  bootCluster,
  frontAt,
  startClient,
  startEcho,
  startSite,
  type Probe,
  startProbe,
  untilServed,
} from '@postern/test-cluster';
import { ResetCode, type Stream } from '@postern/tunnel';
import { SignJWT, type CryptoKey, decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair } from 'jose';
import { WebSocket } from 'ws';
import { Caller, tryEcho } from '../fixture/caller.ts';
import {
  type Admission,
  callForTickets,
  firstCall,
  makeIdentity,
  openTunnel,
  openTunnelTls,
} from './hand-made-client.ts';
import { type MemoryUse, memoryOf } from './memory.ts';
import { inTime, patience, until } from './patience.ts';

/** The default: a connection that has not shown by then what it is for is cut. */
const handshakeMs = 10_000;
const callersPerAddressMax = 1_500;

describe('an honest caller does not notice', () => {
  let cluster: Cluster;
  let echo: Resource;
  let site: Site;
  /** A front of its that ends TLS. */
  let secure: Endpoint;
  let probe: Probe;
  let calm: MemoryUse;
  let tunnelPort: number;
  let connectPort: number;
  let host: string;

  before(async () => {
    echo = await startEcho();
    const bounds = ['--connections-per-address-max', String(callersPerAddressMax)];
    const calls = ['--connect-calls-per-minute', '100000'];
    cluster = await bootCluster({ nodes: 1, args: { edge: [...bounds, ...calls] } });
    site = await startSite(cluster, { resources: { echo } });
    ({ tunnelPort, connectPort } = cluster.layout);
    host = cluster.nodeHosts[0] ?? '';
    const destination = await cluster.admin.createDestination(site.gateway.id, {
      name: 'secure',
      resource: { host: echo.host, port: echo.port },
      front: { port: cluster.layout.frontPortFirst + 50, tls: { mode: 'server' } },
    });
    await untilServed(cluster, [destination]);
    secure = frontAt(cluster, destination);
    probe = await startProbe(site.front('echo'));
    await probe.run(50);
    calm = await memoryOf(cluster, 'edge-1');
  });
  after(async () => {
    await probe[Symbol.asyncDispose]();
    await site.stop();
    await cluster.stop();
    await echo.stop();
  });

  /** Every test ends with it: the probe is unbroken and was never kept waiting for long. */
  async function unnoticed(): Promise<void> {
    await probe.run();
    const { longestMs } = probe;
    // What one test has done is not told of the next.
    probe.forget();
    assert.ok(longestMs < 3_000 * patience, `the probe waited ${longestMs} ms`);
  }

  /** A new caller of the front that ends TLS. */
  async function echoBySecureFront(): Promise<void> {
    const socket = connectTls({ ...secure, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    socket.write('hello');
    const [echoed] = (await once(socket, 'data')) as [Buffer];
    assert.equal(String(echoed), 'hello');
    socket.destroy();
  }

  /** A client that the platform knows, of the site's own gateway or another. */
  async function admitted(gatewayId = site.gateway.id, token = site.token.token): Promise<Admission> {
    const identity = makeIdentity();
    const { clientId, ticket } = await callForTickets(cluster, { gatewayId, token, identity });
    return { identity, clientId, ticket, gatewayId };
  }

  test('of first calls with a wrong, expired, revoked or missing token, or for a wrong gateway', async () => {
    const { admin } = cluster;
    const gatewayId = site.gateway.id;
    const other = await admin.createGateway({ name: 'other' });
    const foreign = await admin.createToken(other.id);
    const revoked = await admin.createToken(gatewayId);
    await admin.revokeToken(gatewayId, revoked.id);
    const expired = await admin.createToken(gatewayId);
    await changeDocument(cluster, 'tokens', expired.id, {
      expiresAt: new Date(Date.now() - 60_000).toISOString(),
    });
    const cases: [string | null, string, number, string][] = [
      [null, gatewayId, 401, 'ACL_TOKEN_MISSING'],
      ['pt_wrong', gatewayId, 401, 'ACL_TOKEN_WRONG'],
      [foreign.token, gatewayId, 401, 'ACL_TOKEN_WRONG'],
      [revoked.token, gatewayId, 401, 'ACL_TOKEN_REVOKED'],
      [expired.token, gatewayId, 401, 'ACL_TOKEN_EXPIRED'],
      [site.token.token, 'nobodysGateway', 403, 'ACL_GATEWAY_UNKNOWN'],
    ];
    for (const [token, gateway, status, code] of cases) {
      const answer = await firstCall(cluster, { gatewayId: gateway, token, identity: makeIdentity() });
      assert.deepEqual([answer.status, (answer.body as { code: string }).code], [status, code]);
    }
    await using refused = await startClient({
      gatewayId,
      connectUrl: cluster.connectUrl,
      caFile: cluster.caFile,
      token: 'pt_wrong',
      waitUntilConnected: false,
    });
    assert.equal((await refused.part.exited).code, 77);
    assert.match(refused.part.output.tail, /ACL_TOKEN_WRONG/);
    await unnoticed();
  });

  test('of forged, stale and stolen tickets', async () => {
    const honest = await admitted();
    const claims = decodeJwt(honest.ticket);
    const { kid = '' } = decodeProtectedHeader(honest.ticket);
    const own = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
    // As if acl had signed with it: the only way to a ticket that is stale before its five minutes are over.
    const listedKid = 'listed-by-acl';
    const listed = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
    const { x = '' } = await exportJWK(listed.publicKey);
    const expiresAt = new Date(Date.now() + 600_000).toISOString();
    await insertDocument(cluster, 'ticketKeys', { id: listedKid, revision: 1, x, expiresAt });
    const now = Math.floor(Date.now() / 1000);
    const signed = (key: CryptoKey, keyId: string, changes: object = {}): Promise<string> =>
      new SignJWT({ ...claims, ...changes })
        .setProtectedHeader({ alg: 'EdDSA', kid: keyId, typ: 'JWT' })
        .sign(key);
    const [head = '', body = '', signature = ''] = honest.ticket.split('.');
    const elsewhere = Buffer.from(JSON.stringify({ ...claims, gw: 'another' })).toString('base64url');
    const none = Buffer.from(JSON.stringify({ alg: 'none', kid })).toString('base64url');
    const other = await admitted();
    const reserve = await callForTickets(cluster, {
      gatewayId: honest.gatewayId,
      token: site.token.token,
      identity: honest.identity,
    });
    const cases: [string, Partial<Admission>, RegExp][] = [
      ['stolen', { identity: makeIdentity() }, /EDGE_PROOF_WRONG/],
      ["another client's", { ticket: other.ticket }, /EDGE_PROOF_WRONG/],
      ['signed by a stranger', { ticket: await signed(own.privateKey, kid) }, /EDGE_TICKET_INVALID/],
      [
        'signed with an unknown key',
        { ticket: await signed(own.privateKey, 'mine') },
        /EDGE_TICKET_KEY_UNKNOWN/,
      ],
      ['unsigned', { ticket: `${none}.${body}.` }, /EDGE_TICKET_INVALID/],
      [
        'for another gateway than signed',
        { ticket: `${head}.${elsewhere}.${signature}` },
        /EDGE_TICKET_INVALID/,
      ],
      [
        'of a gateway that there is not',
        { ticket: await signed(listed.privateKey, listedKid, { gw: 'another' }) },
        /EDGE_GATEWAY_UNKNOWN/,
      ],
      [
        'stale',
        { ticket: await signed(listed.privateKey, listedKid, { iat: now - 400, exp: now - 60 }) },
        /EDGE_TICKET_EXPIRED/,
      ],
      ['a reserve', { ticket: reserve.reserveTicket }, /EDGE_TICKET_RESERVE_REFUSED/],
      ['none at all', { ticket: 'ticket' }, /EDGE_TICKET_INVALID/],
    ];
    // The node asks acl for keys at most once a second, and a stranger has just made it ask.
    await until('the node knows the key', 10_000, async () => {
      const fresh = { ...honest, ticket: await signed(listed.privateKey, listedKid) };
      const { endpoint } = await openTunnel(cluster, fresh);
      endpoint.close();
      return true;
    });
    for (const [what, changes, code] of cases) {
      const attempt = openTunnel(cluster, { ...honest, ...changes });
      await assert.rejects(attempt, code, `a ticket that is ${what}`);
    }
    await unnoticed();
  });

  test('of a gateway that is disabled, and of a token that is revoked, after the ticket was given', async () => {
    const { admin } = cluster;
    const gateway = await admin.createGateway({ name: 'short-lived' });
    const token = await admin.createToken(gateway.id);
    const client = await admitted(gateway.id, token.token);
    const { session } = await openTunnel(cluster, client);
    await admin.revokeToken(gateway.id, token.id);
    await until('its tunnel is closed', 5_000, () => session.closed);
    await assert.rejects(openTunnel(cluster, client), /EDGE_TOKEN_REVOKED/);
    const second = await admin.createToken(gateway.id);
    const again = await admitted(gateway.id, second.token);
    await admin.updateGateway(gateway.id, { enabled: false });
    await until('the node refuses it', 5_000, () =>
      openTunnel(cluster, again).then(
        ({ endpoint }) => {
          endpoint.close();
          return false;
        },
        (error: Error) => /EDGE_GATEWAY_DISABLED/.test(error.message),
      ),
    );
    await unnoticed();
  });

  test('of plain HTTP on ports that speak TLS, and of TLS to a front that does not', async () => {
    const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
    const onTunnelPort = await answerTo(host, tunnelPort, request);
    assert.doesNotMatch(onTunnelPort, /HTTP/);
    const onConnectPort = await answerTo(host, connectPort, request);
    assert.match(onConnectPort, /^HTTP\/1.1 400 [^]*EDGE_CALL_PLAIN_HTTP/);
    const { port } = site.front('echo');
    const tls = connectTls({ host, port, rejectUnauthorized: false });
    const [error] = (await once(tls, 'error')) as [NodeJS.ErrnoException];
    assert.match(error.code ?? '', /SSL|ECONNRESET/);
    await unnoticed();
  });

  test('of garbage, oversize and half frames, before and after the handshake, on both ports', async () => {
    const frames: Record<string, Buffer> = {
      garbage: Buffer.alloc(4_096, 0xa5),
      'a frame longer than any': Buffer.from([1, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
      'a HELLO that is no JSON': Buffer.concat([Buffer.from([1, 0, 0, 4, 0, 0, 0, 0]), Buffer.from('{{{{')]),
      'a stream before HELLO': Buffer.from([5, 0, 0, 1, 0, 0, 0, 1, 0]),
      'an HTTP request': Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    };
    for (const [what, bytes] of Object.entries(frames)) {
      const socket = await openTunnelTls(cluster);
      await inTime(`${what} on the tunnel port is cut`, 3_000, ended(socket, bytes));
      const webSocket = await openWebSocket(cluster);
      const closed = once(webSocket, 'close');
      webSocket.send(bytes);
      await inTime(`${what} over a WebSocket is cut`, 3_000, closed);
      const { socket: inside, endpoint } = await openTunnel(cluster, await admitted());
      if (what !== 'an HTTP request') await inTime(`${what} in a tunnel is cut`, 3_000, ended(inside, bytes));
      endpoint.close();
    }
    const half = Buffer.from([1, 0, 1, 0, 0, 0, 0, 0, 0x7b]);
    const socket = await openTunnelTls(cluster);
    const webSocket = await openWebSocket(cluster);
    webSocket.send(half);
    const both = Promise.all([ended(socket, half), once(webSocket, 'close')]);
    await inTime('half a frame is cut when its time is over', handshakeMs + 3_000, both);
    await unnoticed();
  });

  for (const door of ['tunnel port', 'connect port', 'link port', 'port of a TLS front'] as const) {
    test(`of 5,000 connections to the ${door} that never finish their handshake`, async () => {
      const ports = {
        'tunnel port': tunnelPort,
        'connect port': connectPort,
        'link port': cluster.layout.linkPort,
        'port of a TLS front': secure.port,
      };
      const to = { host, port: ports[door] };
      // Whoever has finished the handshake of a front is its caller.
      const silentAfter = door === 'port of a TLS front' ? 0 : 500;
      const kinds: [number, (from: string) => Promise<Socket>][] = [
        [3_500, (from) => openTcp(to, from)],
        [1_500 - silentAfter, (from) => openTcp(to, from, halfClientHello)],
        [silentAfter, (from) => openTls(to, from)],
      ];
      const over: Promise<unknown>[] = [];
      for (const [count, open] of kinds) {
        for (let done = 0; done < count; done += 100) {
          // From several addresses, so that the bound for all is met and not that for one alone.
          const opened = Array.from({ length: 100 }, (_, index) => open(`127.77.0.${1 + (index % 8)}`));
          for (const socket of await Promise.all(opened)) over.push(closed(socket));
        }
      }
      const client = await admitted();
      const { endpoint } = await openTunnel(cluster, client);
      endpoint.close();
      assert.equal(await tryEcho(site.front('echo')), 'echoed');
      await echoBySecureFront();
      await inTime('all of them are cut', handshakeMs + 5_000, Promise.all(over));
      await unnoticed();
    });
  }

  test('of a client that opens streams which no node wants', async () => {
    const { endpoint, session } = await openTunnel(cluster, await admitted());
    const codes = new Map<number, number>();
    for (let batch = 0; batch < 20; batch += 1) {
      const resets = Array.from({ length: 500 }, () => {
        const stream = endpoint.open(session, { destinationId: 'any', host: '127.0.0.1', port: 22 });
        return resetOf(stream);
      });
      for (const code of await Promise.all(resets)) codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    assert.deepEqual([...codes], [[ResetCode.Protocol, 10_000]]);
    endpoint.close();
    await unnoticed();
  });

  test('of a client that never answers: its callers are told after the time-out of their destination', async () => {
    const { admin } = cluster;
    const gateway = await admin.createGateway({ name: 'silent' });
    const token = await admin.createToken(gateway.id);
    await admin.putAccessList(gateway.id, [{ action: 'allow', host: '*', port: '*' }]);
    const { front } = await admin.createDestination(gateway.id, {
      name: 'silence',
      resource: { host: '127.0.0.1', port: 1, connectTimeoutSeconds: 1 },
    });
    assert.ok(front !== undefined);
    const offered: Stream[] = [];
    const tunnel = await openTunnel(cluster, await admitted(gateway.id, token.token), {
      onOpen: (stream) => void offered.push(stream),
    });
    const place = { host, port: front.port };
    const told = cluster.part('edge-1').line(/EDGE_CLIENT_SILENT/, 60_000 * patience);
    const callers = await until('the front is served', 5_000, async () => {
      const first = new Caller(place);
      if ((await Promise.race([first.ended, connected(first)])) !== null) return null;
      return [first, ...Array.from({ length: 99 }, () => new Caller(place))];
    });
    for (const caller of callers) caller.socket.write('hello');
    const endings = Promise.all(callers.map((caller) => caller.ending(60_000 * patience)));
    await inTime('they are told', 1_000 + 5_000 + 2_000, endings);
    assert.deepEqual(new Set(await endings), new Set(['ECONNRESET']));
    assert.equal(offered.length, callers.length);
    await told;
    tunnel.endpoint.close();
    await unnoticed();
  });

  test('of an address that floods its front with callers', async () => {
    const from = '127.66.0.1';
    const callers: Caller[] = [];
    for (let done = 0; done < 2 * callersPerAddressMax; done += 100) {
      const some = Array.from({ length: 100 }, () => new Caller(site.front('echo'), from));
      await Promise.all(some.map((caller) => Promise.race([caller.ended, connected(caller)])));
      callers.push(...some);
    }
    assert.equal(await tryEcho(site.front('echo')), 'echoed');
    await until('those above its bound are turned away', 10_000, () => {
      const open = callers.filter(({ socket }) => !socket.destroyed).length;
      return open === callersPerAddressMax;
    });
    await probe.run();
    for (const caller of callers) await caller[Symbol.asyncDispose]();
    assert.equal(
      await until('it has a place again', 10_000, () => tryEcho(site.front('echo'), from)),
      'echoed',
    );
    await unnoticed();
  });

  test('and memory is back at its level after all of it', async () => {
    // Twice what it was, and what V8 and the C library keep for the next time.
    const heapMax = 2 * calm.heapBytes + 32 * 1024 * 1024;
    const residentMax = 2 * calm.residentBytes + 64 * 1024 * 1024;
    await until('memory is back', 60_000, async () => {
      const { heapBytes, residentBytes } = await memoryOf(cluster, 'edge-1');
      if (heapBytes <= heapMax && residentBytes <= residentMax) return true;
      throw new Error(
        `${heapBytes} of ${heapMax} bytes of heap, ${residentBytes} of ${residentMax} resident`,
      );
    });
    await unnoticed();
  });
});

/** The first half of a ClientHello: a record that announces more than it brings. */
const halfClientHello = Buffer.concat([
  Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]),
  Buffer.alloc(200, 7),
]);

async function openTcp(
  to: { host: string; port: number },
  localAddress: string,
  first?: Buffer,
): Promise<Socket> {
  const socket = connect({ ...to, localAddress });
  socket.on('error', () => {});
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
  if (first !== undefined) socket.write(first);
  return socket;
}

async function openTls(to: { host: string; port: number }, localAddress: string): Promise<Socket> {
  const socket = connectTls({ socket: await openTcp(to, localAddress), rejectUnauthorized: false });
  socket.on('error', () => {});
  await Promise.race([once(socket, 'secureConnect'), once(socket, 'close')]);
  return socket;
}

function connected({ socket }: Caller): Promise<null> {
  return new Promise((resolve) => socket.once('connect', () => resolve(null)));
}

/** Writes these bytes and resolves when the other end has closed. */
async function ended(socket: Socket, bytes: Buffer): Promise<void> {
  socket.write(bytes);
  await closed(socket);
}

function closed(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  socket.resume();
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
}

async function answerTo(host: string, port: number, text: string): Promise<string> {
  const socket = connect({ host, port });
  let answer = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk));
  await inTime('plain text is answered or cut', 5_000, ended(socket, Buffer.from(text)));
  return answer;
}

async function openWebSocket(cluster: Cluster): Promise<WebSocket> {
  const url = `${cluster.connectUrl.replace('https:', 'wss:')}/v1/tunnel`;
  const webSocket = new WebSocket(url, { ca: readFileSync(cluster.caFile), perMessageDeflate: false });
  webSocket.on('error', () => {});
  await once(webSocket, 'open');
  return webSocket;
}

function resetOf(stream: Stream): Promise<number> {
  return new Promise((resolve) => {
    stream.events = { onReset: (code) => resolve(code) };
  });
}

type StoredItem = { id: string; revision: number } & Record<string, unknown>;

async function insertDocument(cluster: Cluster, collection: string, document: StoredItem): Promise<void> {
  const { url, database } = cluster.documents;
  const store = await connectMongo(url, { database });
  await (await store.collection<StoredItem>(collection)).insert(document);
  await store.close();
}

async function changeDocument(
  cluster: Cluster,
  collection: string,
  id: string,
  changes: object,
): Promise<void> {
  const { url, database } = cluster.documents;
  const store = await connectMongo(url, { database });
  const items = await store.collection<StoredItem>(collection);
  const found = await items.get(id);
  assert.ok(found !== null);
  await items.replace({ ...found, ...changes });
  await store.close();
}
