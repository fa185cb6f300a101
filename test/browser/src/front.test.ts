// A real browser on an HTTPS front: a page over HTTP/2 that opens a WebSocket and reads server-sent events, and the page
// that the edge shows when there is nobody behind it. The browser verifies the front's certificate, a pair that the platform
// has generated, and takes one of a client into its own database.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFile, mkdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { tool } from '@postern/scripts/install';
import {
  type ShownDestination,
  type Site,
  bootStandalone,
  makeScratch,
  startSite,
  untilServed,
} from '@postern/test-cluster';
import { until } from '@postern/test-kit';
import { type Browser, type Page, chromium } from 'playwright-core';
import { WebSocketServer } from 'ws';

const name = 'page.example';
const run = promisify(execFile);

const PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><title>behind the gateway</title>
<p id="version"></p><p id="socket"></p><p id="event"></p>
<script>
  const show = (id, text) => { document.getElementById(id).textContent = text; };
  show('version', performance.getEntriesByType('navigation')[0].nextHopProtocol);
  const socket = new WebSocket('wss://' + location.host + '/ws');
  socket.onopen = () => socket.send('hello');
  socket.onmessage = ({ data }) => show('socket', data);
  new EventSource('/events').onmessage = ({ data }) => show('event', data);
</script></html>`;

const application = createServer((request, answer) => {
  if (request.url === '/events') {
    answer.writeHead(200, { 'content-type': 'text/event-stream' });
    answer.write('data: an event\n\n');
  } else {
    answer.setHeader('content-type', 'text/html; charset=utf-8');
    answer.end(PAGE);
  }
});
new WebSocketServer({ server: application, path: '/ws' }).on('connection', (socket) => {
  socket.on('message', (data: Buffer) => socket.send(`echo of ${data.toString()}`));
});

let platform: Awaited<ReturnType<typeof bootStandalone>>;
let site: Site;
let front: ShownDestination;
let browser: Browser;
let home: string;
/** The certificates that the browser knows beside those of its makers. */
let database: string;
let page: Page;

before(async () => {
  application.listen(0, '127.0.0.1');
  await once(application, 'listening');
  const { port } = application.address() as AddressInfo;
  const resource = { host: '127.0.0.1', port };
  platform = await bootStandalone();
  site = await startSite(platform, { resources: { app: resource } });
  front = await platform.admin.createDestination(site.gateway.id, {
    name: 'page',
    resource,
    front: {
      protocol: 'http',
      host: name,
      tls: { mode: 'server', certificateId: (await generate('server')).id },
    },
  });
  await untilServed(platform, [front]);
  const { port: shared } = new URL(platform.connectUrl);
  home = await makeScratch('browser');
  database = `sql:${join(home, '.pki', 'nssdb')}`;
  await mkdir(join(home, '.pki', 'nssdb'), { recursive: true });
  await run(tool('certutil'), ['-d', database, '-N', '--empty-password']);
  await run(tool('certutil'), ['-d', database, '-A', '-n', 'platform', '-t', 'C,,', '-i', platform.caFile]);
  browser = await chromium.launch({
    env: { ...process.env, HOME: home },
    executablePath: tool('chromium'),
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      `--host-resolver-rules=MAP ${name}:443 ${platform.nodeHosts[0]}:${shared}`,
    ],
  });
  page = await browser.newPage();
});
after(async () => {
  await browser?.close();
  await site?.stop();
  await platform?.stop();
  application.closeAllConnections();
  application.close();
});

test('a browser gets the page by HTTP/2, its WebSocket and its events', async () => {
  await page.goto(`https://${name}/`);
  assert.equal(await page.title(), 'behind the gateway');
  await page.waitForSelector('#socket:text-is("echo of hello")');
  await page.waitForSelector('#event:text-is("an event")');
  assert.equal(await page.textContent('#version'), 'h2');
});

test('a browser’s database takes a generated client pair as P12', async () => {
  const passphrase = 'for the browser';
  const { download, subject } = await generate('client', { format: 'p12', passphrase });
  const file = join(home, 'client.p12');
  await writeFile(file, Buffer.from(download.base64, 'base64'));
  await run(tool('pk12util'), ['-d', database, '-i', file, '-W', passphrase, '-K', '']);
  const { stdout: keys } = await run(tool('certutil'), ['-d', database, '-K']);
  assert.match(keys, /< 0> /);
  assert.match(subject, /till/);
});

test('a browser is shown a page with the cause and the tracking ID when no client is there', async () => {
  await site.client.kill();
  // A request that finds the tunnel before its end is known waits for the client, which may come back.
  await until(
    () => platform.admin.clients(site.gateway.id),
    (clients) => clients.length === 0,
  );
  const answer = await page.goto(`https://${name}/`);
  assert.match((await answer?.text()) ?? '', /EDGE_NO_CLIENT/);
  assert.match(await page.textContent('body').then(String), /503 Service Unavailable.*Tracking ID: \S+/s);
});

/** A pair that the platform makes: for the front, or for somebody who calls. */
function generate(
  usage: 'server' | 'client',
  more: object = {},
): Promise<{ id: string; subject: string; download: { base64: string } }> {
  const subject = usage === 'server' ? `CN=${name}` : 'CN=till';
  const san = usage === 'server' ? { san: [name] } : {};
  return platform.admin.call('POST', '/certificates/generate', {
    name: usage,
    usage,
    subject,
    ...san,
    ...more,
  });
}
