// h2spec, the conformance test of HTTP/2, against an HTTP front with TLS. HTTP/2 is ended by Node's own implementation
// (nghttp2), so what h2spec finds wrong in a bare Node server it finds here; these cases are written down one by one, and
// any other that fails is a fault, as is one of them that passes now and is still in the list.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { h2specBinary } from '@postern/scripts/install';
import {
  type Endpoint,
  type Site,
  type StandaloneProcess,
  bootStandalone,
  makeScratch,
  removeScratch,
  startSite,
  untilServed,
} from '@postern/test-cluster';
import { freePort } from '@postern/test-kit';

/** What fails against a bare `http2.createSecureServer` of Node 26 too, by section and title. */
const known: readonly (readonly [section: string, title: string])[] = [
  // RFC 9113, 5.1 lets an endpoint ignore frames of a stream that it has closed; nghttp2 does, for it forgets such streams.
  ['http2/5.1', 'closed: Sends a DATA frame after sending RST_STREAM frame'],
  ['http2/5.1', 'closed: Sends a HEADERS frame after sending RST_STREAM frame'],
  ['http2/5.1', 'closed: Sends a DATA frame'],
  ['http2/5.1', 'closed: Sends a HEADERS frame'],
  // The request with the smaller number is ignored, and the one before it answered.
  ['http2/5.1.1', 'Sends stream identifier that is numerically smaller than previous'],
  // RFC 9113, 5.3.2 does away with priorities; nghttp2 passes over PRIORITY whatever it says.
  ['http2/5.3.1', 'Sends PRIORITY frame that depend on itself'],
  ['http2/6.3', 'Sends a PRIORITY frame with 0x0 stream identifier'],
  // Node ends a connection whose peer acknowledges what was not asked; h2spec wants the next PING answered.
  ['http2/6.7', 'Sends a PING frame with ACK'],
  // The stream's error is told as the connection's.
  [
    'http2/6.9.1',
    'Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream',
  ],
];

/** Run side by side: a case that fails waits for its time-out. */
const parts = ['generic', 'hpack', ...[3, 4, 5, 6, 7, 8].map((section) => `http2/${section}`)];
const caseSeconds = 2;
const casesMin = 140;
/** A stream must still be open when h2spec sends what does not belong on it. */
const answerAfterMs = 30;

const h2spec = h2specBinary();
const missing = h2spec === null ? 'SKIPPED: h2spec is not installed; pnpm service:install h2spec' : false;

let platform: StandaloneProcess;
let site: Site;
let resource: Server;
let front: Endpoint;
let folder: string;

before(async () => {
  if (h2spec === null) return;
  folder = await makeScratch('h2spec');
  resource = createServer((request, answer) => {
    request.resume();
    request.on('end', () => setTimeout(() => answer.end('hello'), answerAfterMs));
  });
  resource.listen(0, '127.0.0.1');
  await once(resource, 'listening');
  platform = await bootStandalone();
  site = await startSite(platform, { resources: {} });
  await platform.admin.putAccessList(site.gateway.id, [{ action: 'allow', host: '*', port: '*' }]);
  const port = await freePort(platform.nodeHosts[0]);
  const made = await platform.admin.createDestination(site.gateway.id, {
    name: 'web',
    resource: { host: '127.0.0.1', port: (resource.address() as AddressInfo).port },
    front: { protocol: 'http', port, tls: { mode: 'server' } },
  });
  await untilServed(platform, [made]);
  front = { host: platform.nodeHosts[0] ?? '', port };
});
after(async () => {
  if (h2spec === null) return;
  await site.stop();
  await platform.stop();
  resource.closeAllConnections();
  resource.close();
  removeScratch(folder);
});

interface Case {
  readonly name: string;
  readonly failed: boolean;
}

/** Runs some of the cases; those that it skips are none. */
async function run(part: string): Promise<Case[]> {
  const report = join(folder, `${part.replace('/', '-')}.xml`);
  const where = ['-t', '-k', '-h', front.host, '-p', String(front.port)];
  const args = [...where, '-o', String(caseSeconds), '-j', report, part];
  await new Promise<void>((resolve) => {
    // It ends with 1 where a case failed; what it reports is judged below.
    execFile(h2spec ?? '', args, () => resolve());
  });
  const xml = await readFile(report, 'utf8');
  return [
    ...xml.matchAll(/<testcase package="([^"]*)" classname="([^"]*)"[^>]*>(.*?)<\/testcase>/gs),
  ].flatMap(([, section = '', title = '', body = '']) =>
    body.includes('<skipped') ? [] : [{ name: nameOf(section, plain(title)), failed: body !== '' }],
  );
}

function nameOf(section: string, title: string): string {
  return `${section}: ${title}`;
}

function plain(text: string): string {
  return text.replaceAll('&#34;', '"').replaceAll('&quot;', '"').replaceAll('&amp;', '&');
}

test(
  'an HTTP/2 front keeps to the RFCs in all that h2spec asks, but for what Node’s own HTTP/2 does otherwise',
  { skip: missing },
  async () => {
    const cases = (await Promise.all(parts.map(run))).flat();
    assert.ok(cases.length >= casesMin, `only ${cases.length} cases ran`);
    const failed = cases.filter((one) => one.failed).map(({ name }) => name);
    const expected = known.map(([section, title]) => nameOf(section, title));
    assert.deepEqual(failed.toSorted(), expected.toSorted());
  },
);
