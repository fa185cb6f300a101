// Logs from the cloud to a collector on premises: a real rsyslog behind fronts of UDP and TCP, and util-linux's logger as
// the one who sends RFC 5424. Each line arrives, whole and once; over TCP in order, and again after the client was
// started anew (docs/logs-through-the-tunnel.md says what each protocol can lose).

import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  type Collector,
  type Endpoint,
  type ShownDestination,
  type Site,
  frontAt,
  makeScratch,
  startRsyslog,
  startSite,
  untilServed,
} from '@postern/test-cluster';
import { until } from '@postern/test-kit';
import { Caller } from './fixture/caller.ts';
import { onEachPlatform } from './fixture/platforms.ts';
import { run } from './fixture/run.ts';

const TCP_LINES = 3_000;
const UDP_LINES = 300;

let collector: Collector;

before(async () => {
  collector = await startRsyslog();
});
after(() => collector.stop());

onEachPlatform((booted) => {
  let site: Site;
  let fronts: { tcp: ShownDestination; udp: ShownDestination };
  before(async () => {
    const { platform } = booted();
    site = await startSite(platform, { resources: {} });
    const { host, port } = collector;
    await platform.admin.putAccessList(site.gateway.id, [{ action: 'allow', host, port: String(port) }]);
    const make = (protocol: 'tcp' | 'udp'): Promise<ShownDestination> =>
      platform.admin.createDestination(site.gateway.id, {
        name: `syslog over ${protocol}`,
        resource: { host, port, protocol },
        front: { protocol },
      });
    fronts = { tcp: await make('tcp'), udp: await make('udp') };
    await untilServed(platform, Object.values(fronts));
  });
  after(() => site.stop());

  const place = (protocol: 'tcp' | 'udp', node = 0): Endpoint =>
    frontAt(booted().platform, fronts[protocol], node);
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

  test('over UDP every line that the network does not lose arrives once and whole', async () => {
    const name = unique('udp');
    const lines = await send('udp', name, UDP_LINES, place('udp'));
    assert.deepEqual(new Set(await arrived(name, lines)), new Set(lines));
    assert.equal((await collected(name)).length, lines.length);
  });

  test('when the client was started anew, who sends by TCP is told, and every line that follows arrives; so by UDP', async () => {
    await using open = new Caller(place('tcp'));
    const name = unique('before');
    const line = `<13>1 - - ${name} - m - in order`;
    open.socket.write(`${line.length} ${line}`);
    await arrived(name, ['in order']);
    await site.client.kill();
    await site.client.part.start();
    assert.equal(await open.ending(), 'ECONNRESET');
    for (const protocol of ['tcp', 'udp'] as const) {
      const later = unique(`later-${protocol}`);
      const lines = await send(protocol, later, UDP_LINES, place(protocol));
      assert.deepEqual(new Set(await arrived(later, lines)), new Set(lines));
    }
  });
});

let names = 0;

/** A name of its own for the lines of one test. */
function unique(name: string): string {
  names += 1;
  return `${name}-${names}`;
}
