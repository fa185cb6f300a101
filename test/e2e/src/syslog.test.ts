// Logs from the cloud to a collector on premises: a real rsyslog behind fronts of UDP, TCP and TLS, util-linux's logger as
// the one who sends RFC 5424, by another rsyslog where it is sent by TLS; and curl to a collector of HTTP behind an HTTPS
// front. Each line arrives, whole and once; over TCP in order, and again after the client was started anew
// (docs/logs-through-the-tunnel.md says what each protocol can lose).

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import type { DestinationInput } from '@postern/contracts';
import {
  type Collector,
  type Endpoint,
  type ShownDestination,
  type Site,
  frontAt,
  makeScratch,
  startLogRouter,
  startRsyslog,
  startSite,
  untilServed,
} from '@postern/test-cluster';
import { freePort, until } from '@postern/test-kit';
import { Caller } from './fixture/caller.ts';
import { TestCa, storeCertificate } from './fixture/certificate-store.ts';
import { onEachPlatform } from './fixture/platforms.ts';
import { run } from './fixture/run.ts';

const TCP_LINES = 3_000;
/** So many at once have room at a port of the system's default size, should its node be held up meanwhile. */
const UDP_LINES = 50;
const UDP_TIMES = 6;
const HTTPS_LINES = 20;
const collectorName = 'logs.corp.example';
const shownName = 'logs.example';

type Kind = 'tcp' | 'udp' | 'tls of the front' | 'tls of the collector' | 'https';

let collector: Collector;
let own: TestCa;
let caFile: string;
/** A collector that speaks HTTP: it has taken what it has answered. */
const posted: string[] = [];
const web = createServer((request, answer) => {
  void text(request).then((body) => {
    posted.push(...body.trimEnd().split('\n'));
    answer.writeHead(204).end();
  });
});

before(async () => {
  own = await TestCa.make('Logs CA');
  caFile = join(await makeScratch('authority'), 'ca.pem');
  await writeFile(caFile, own.caPem);
  collector = await startRsyslog(await own.issue({ names: [collectorName], usage: 'server' }));
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
});
after(async () => {
  web.closeAllConnections();
  web.close();
  await collector.stop();
});

onEachPlatform((booted) => {
  let site: Site;
  let fronts: Record<Kind, ShownDestination>;
  before(async () => {
    const { platform } = booted();
    site = await startSite(platform, { resources: {} });
    const { host, port, tlsPort } = collector;
    const { port: webPort } = web.address() as AddressInfo;
    await platform.admin.putAccessList(site.gateway.id, [{ action: 'allow', host, port: '*' }]);
    const shown = await own.issue({ names: [shownName], usage: 'server' });
    const tls = { mode: 'server', certificateId: (await storeCertificate(platform, shown)).id } as const;
    const make = (name: string, to: number, front: DestinationInput['front']): Promise<ShownDestination> =>
      platform.admin.createDestination(site.gateway.id, { name, resource: { host, port: to }, front });
    fronts = {
      tcp: await make('tcp', port, { protocol: 'tcp' }),
      udp: await make('udp', port, { protocol: 'udp' }),
      // rsyslog names no server in its handshake, so each has a port of its own.
      'tls of the front': await make('ended', port, {
        host: shownName,
        port: await freePort(),
        tls,
      }),
      'tls of the collector': await make('passed', tlsPort, { port: await freePort() }),
      https: await make('https', webPort, { protocol: 'http', host: shownName, tls }),
    };
    await untilServed(platform, Object.values(fronts));
  });
  after(() => site.stop());

  /** Resolves when callers of the former have been told. */
  const startClientAnew = async (): Promise<void> => {
    await using open = new Caller(place('tcp'));
    open.socket.write('1 ');
    await once(open.socket, 'connect');
    await site.client.kill();
    await site.client.part.start();
    await open.ending();
  };
  const place = (kind: Kind, node = 0): Endpoint => frontAt(booted().platform, fronts[kind], node);
  /** Sends so many lines with `logger`, and resolves with them when they are there, in whatever order. */
  const send = async (
    protocol: 'tcp' | 'udp',
    name: string,
    count: number,
    to: Endpoint,
  ): Promise<string[]> => {
    const lines = Array.from({ length: count }, (_, n) => `${name} ${n} ${'x'.repeat((n * 7) % 900)} end`);
    const file = join(await makeScratch('lines'), 'lines');
    await writeFile(file, `${lines.join('\n')}\n`);
    const how = protocol === 'tcp' ? ['--tcp', '--octet-count'] : ['--udp'];
    const where = ['-n', to.host, '-P', String(to.port)];
    await run('logger', [...how, ...where, '--rfc5424', '-t', name, '--msgid', 'm', '-f', file]);
    return lines;
  };
  const byUdp = async (what: string): Promise<void> => {
    for (let time = 0; time < UDP_TIMES; time += 1) {
      const name = unique(what);
      const lines = await send('udp', name, UDP_LINES, place('udp'));
      const found = await arrived(name, lines).catch(async (error: Error) => {
        throw new Error(`${error.message}; at the collector: ${await udpSockets(collector.port)}`, {
          cause: error,
        });
      });
      assert.deepEqual(new Set(found), new Set(lines));
      assert.equal((await collected(name)).length, lines.length);
    }
  };
  /** Posts lines with `curl`: each that is answered for has arrived. */
  const byHttps = async (name: string): Promise<void> => {
    const { host, port } = place('https');
    const target = ['--connect-to', `${shownName}:443:${host}:${port}`, '--cacert', caFile];
    const lines = Array.from({ length: HTTPS_LINES }, (_, n) => `<13>1 - - ${name} - m - line ${n}`);
    const data = lines.flatMap((line, n) => [
      ...(n === 0 ? [] : ['--next', '-fsS', ...target]),
      '--data-binary',
      line,
      `https://${shownName}/collect`,
    ]);
    await run('curl', ['-fsS', ...target, ...data]);
    const found = posted.filter((line) => line.includes(` ${name} `));
    assert.deepEqual(found, lines);
  };
  const collected = async (name: string): Promise<string[]> => {
    const text = await readFile(collector.file, 'utf8').catch(() => '');
    return text.split('\n').flatMap((line) => {
      const [app, , ...rest] = line.split(' ');
      return app === name ? [rest.join(' ').trim()] : [];
    });
  };
  const arrived = (name: string, lines: readonly string[]): Promise<string[]> =>
    until(
      () => collected(name),
      (found) => found.length >= lines.length,
    );

  test('over TCP, octet counted, every line arrives once, whole and in order, on each node', async () => {
    for (const node of booted().platform.nodeHosts.keys()) {
      const name = unique('tcp');
      const lines = await send('tcp', name, TCP_LINES, place('tcp', node));
      assert.deepEqual(await arrived(name, lines), lines);
    }
  });

  test('over UDP every line that the network does not lose arrives once and whole', () => byUdp('udp'));

  test('by TLS that the front ends, by the collector’s own, and by HTTPS every line arrives in order, also after the client was started anew', async () => {
    const toFront = { to: place('tls of the front'), name: shownName, caFile };
    const toCollector = { to: place('tls of the collector'), name: collectorName, caFile };
    await using front = await startLogRouter(toFront);
    await using passed = await startLogRouter(toCollector);
    const byTls = async (router: Endpoint, when: string): Promise<void> => {
      const name = unique(when);
      const lines = await send('tcp', name, TCP_LINES, router);
      assert.deepEqual(await arrived(name, lines), lines);
    };
    for (const when of ['first', 'later']) {
      await Promise.all([byTls(front, when), byTls(passed, when), byHttps(unique(when))]);
      if (when === 'first') await startClientAnew();
    }
  });

  test('when the client was started anew, who sends by TCP is told, and every line that follows arrives; so by UDP', async () => {
    await using open = new Caller(place('tcp'));
    const name = unique('before');
    const line = `<13>1 - - ${name} - m - in order`;
    open.socket.write(`${line.length} ${line}`);
    await arrived(name, ['in order']);
    await startClientAnew();
    assert.equal(await open.ending(), 'ECONNRESET');
    const later = unique('later-tcp');
    const lines = await send('tcp', later, TCP_LINES, place('tcp'));
    assert.deepEqual(await arrived(later, lines), lines);
    await byUdp('later-udp');
  });
});

let names = 0;

/** What Linux tells of UDP sockets at a port of this machine: whether there is one, what waits in it and what it dropped. */
async function udpSockets(port: number): Promise<string> {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 `;
  const lines = (await readFile('/proc/net/udp', 'utf8')).split('\n');
  return lines.filter((line) => line.includes(local)).join('\n') || 'no socket';
}

/** A name of its own for the lines of one test. */
function unique(name: string): string {
  names += 1;
  return `${name}-${names}`;
}
