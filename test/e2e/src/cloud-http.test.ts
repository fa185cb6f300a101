// Cloud destinations whose callers speak HTTP to the client's own listener: requests are judged one by one on the path
// that is sent, by both lists of the client; what the node asks, the place and who calls, it asks for each caller.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { Agent, type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  type ProcessResource,
  type ShownDestination,
  type Site,
  type StandaloneProcess,
  bootStandalone,
  makeScratch,
  removeScratch,
  startNginx,
  startSite,
} from '@postern/test-cluster';
import { freePort, until } from '@postern/test-kit';
import { WebSocket } from 'ws';
import { type Application, startApplication } from './fixture/http-application.ts';
import { run } from './fixture/run.ts';

const MIB = 1024 * 1024;
const everything = [{ action: 'allow', host: '*', port: '*' }] as const;

let platform: StandaloneProcess;
let site: Site;
let nginx: ProcessResource;
let application: Application;
let folder: string;
let app: ShownDestination;

before(async () => {
  folder = await makeScratch('cloud-http');
  const booted = Promise.all([bootStandalone({ args: ['--cloud-local'] }), startNginx(), startApplication()]);
  [platform, nginx, application] = await booted;
  await writeFile(ownList(), 'acl allow :\n');
  site = await startSite(platform, { resources: {}, client: { args: ['-F', ownList()] } });
  await platform.admin.putAccessList(site.gateway.id, everything);
  app = await make('app', application.port);
  await is(app, '/echo', /"x-forwarded-port"/);
});
after(async () => {
  application.server.closeAllConnections();
  application.server.close();
  await site?.stop();
  await platform?.stop();
  await nginx?.stop();
  removeScratch(folder);
});

function ownList(): string {
  return join(folder, 'own.acl');
}

async function make(name: string, port: number): Promise<ShownDestination> {
  return platform.admin.createDestination(site.gateway.id, {
    name,
    kind: 'cloud',
    clientPort: await freePort(),
    resource: { host: '127.0.0.1', port, protocol: 'http' },
  });
}

function update({ id }: ShownDestination, patch: object): Promise<ShownDestination> {
  return platform.admin.updateDestination(site.gateway.id, id, patch);
}

function url({ clientPort }: ShownDestination, path: string): string {
  return `http://127.0.0.1:${clientPort}${path}`;
}

function curl(...args: string[]): Promise<string> {
  return run('curl', ['--silent', '--show-error', '--max-time', '30', ...args]);
}

/** The answer to a request, with its status behind it. */
function get(destination: ShownDestination, path: string, ...more: string[]): Promise<string> {
  return curl('--path-as-is', '-w', '\n%{http_code}', ...more, url(destination, path)).catch(String);
}

function is(destination: ShownDestination, path: string, text: RegExp, ...more: string[]): Promise<string> {
  return until(
    () => get(destination, path, ...more),
    (answer) => text.test(answer),
  );
}

test('the resource sees its own name and who called from the client, and its answers name the listener', async () => {
  const told = await curl('-H', 'X-Forwarded-For: 6.6.6.6', '-H', 'Host: shop.corp', url(app, '/echo?a=b'));
  const { url: target, headers } = JSON.parse(told) as { url: string; headers: Record<string, string> };
  assert.equal(target, '/echo?a=b');
  assert.equal(headers['host'], `127.0.0.1:${application.port}`);
  assert.equal(headers['x-forwarded-for'], '127.0.0.1');
  assert.equal(headers['x-forwarded-port'], String(app.clientPort));
  assert.equal(headers['forwarded'], 'for=127.0.0.1;host=shop.corp;proto=http');
  assert.equal(headers['via'], '1.1 postern');
  const followed = JSON.parse(await curl('--location', url(app, '/redirect'))) as { url: string };
  assert.equal(followed.url, '/echo?from=redirect');
  const http2 = JSON.parse(await curl('--http2-prior-knowledge', url(app, '/echo'))) as {
    headers: Record<string, string>;
  };
  assert.equal(http2.headers['via'], '2.0 postern');
});

test('bodies, trailers, 100-continue and a WebSocket come through unchanged', async () => {
  const file = join(folder, 'large');
  const bytes = randomBytes(8 * MIB);
  await writeFile(file, bytes);
  const hash = createHash('sha256').update(bytes).digest('hex');
  for (const more of [[], ['-H', 'Transfer-Encoding: chunked'], ['--http2-prior-knowledge']]) {
    assert.equal(await curl('--data-binary', `@${file}`, ...more, url(app, '/hash')), hash);
  }
  await writeFile(join(nginx.folder, 'www', 'large'), bytes);
  const web = await make('web', nginx.port);
  await is(web, '/', /^hello from behind/);
  const back = join(folder, 'back');
  await curl('-o', back, url(web, '/files/large'));
  assert.match(await run('sha256sum', [back]), new RegExp(`^${hash}`));
  assert.match(await curl('--raw', '--include', url(app, '/trailers')), /\r\n0\r\nx-sum: 42\r\n\r\n$/i);
  const expects = ['-v', '--stderr', '-', '-H', 'Expect: 100-continue', '--data', 'hello'];
  assert.match(await curl(...expects, url(app, '/hash')), /HTTP\/1\.1 100 Continue/);
  const socket = new WebSocket(`ws://127.0.0.1:${app.clientPort}/ws`);
  await once(socket, 'open');
  socket.send(bytes.subarray(0, MIB));
  const [echoed] = (await once(socket, 'message')) as [Buffer];
  assert.ok(echoed.equals(bytes.subarray(0, MIB)));
  socket.close();
  await once(socket, 'close');
});

test('path rules of the gateway’s list and of the client’s own decide on the path that is sent', async () => {
  const at = { host: '127.0.0.1', port: String(application.port) };
  const paths = ['/echo', '/x/../echo', '/echo/%2e%2e/hash', '/echo/secret', '/echo/%73ecret', '//echo'];
  const codes = () =>
    Promise.all(paths.map(async (path) => (await get(app, path, '-o', '/dev/null')).trim()));
  await platform.admin.putAccessList(site.gateway.id, [
    { action: 'allow', ...at, path: '/echo' },
    { action: 'deny', ...at, path: '/echo/secret' },
  ]);
  await is(app, '/hash', /\n403$/);
  assert.deepEqual(await codes(), ['200', '200', '403', '403', '403', '403']);
  const problem = await get(app, '/echo/secret');
  assert.match(problem, /"code":"CLIENT_DENIED".*"trackingId":"[-0-9a-f]{36}\.1"/);
  assert.match(problem, /gateway's access list/);
  assert.match(await get(app, '/hash', '-H', 'Accept: text/html'), /^<!doctype html>.*CLIENT_DENIED/s);

  await platform.admin.putAccessList(site.gateway.id, everything);
  await is(app, '/echo/secret', /\n404$/);
  await writeFile(ownList(), `acl allow 127.0.0.1:${application.port}/echo\n`);
  site.client.part.kill('SIGHUP');
  await is(app, '/hash', /CLIENT_DENIED.*\n403$/);
  assert.deepEqual(await codes(), ['200', '200', '403', '404', '404', '403']);
  await writeFile(ownList(), 'acl allow :\n');
  site.client.part.kill('SIGHUP');
  await is(app, '/hash', /\n200$/, '--data', 'hello');
});

test('a rule that changes ends a request under way', async () => {
  const held = request(url(app, '/held'));
  const answered = once(held, 'response') as Promise<[IncomingMessage]>;
  held.end();
  await until(
    () => application.held.length,
    (count) => count === 1,
  );
  await platform.admin.putAccessList(site.gateway.id, []);
  const [answer] = await answered;
  assert.equal(answer.statusCode, 403);
  answer.resume();
  await application.held.pop()?.gone;
  await platform.admin.putAccessList(site.gateway.id, everything);
  await is(app, '/echo', /\n200$/);
});

test('source rules are asked for each caller, though connections to the resource are kept', async () => {
  const from = (address: string) => ['--interface', address];
  await platform.admin.putSourceRules(site.gateway.id, app.id, {
    restricted: true,
    rules: [{ source: '127.0.0.2' }],
  });
  await is(app, '/echo', /CLIENT_EDGE_DENIED.*\n403$/);
  for (let round = 0; round < 3; round += 1) {
    assert.match(await get(app, '/echo', ...from('127.0.0.2')), /\n200$/);
    assert.match(await get(app, '/echo'), /CLIENT_EDGE_DENIED.*EDGE_SOURCE_DENIED.*\n403$/);
  }
  const before_ = application.connections;
  assert.match(await get(app, '/echo', ...from('127.0.0.2'), url(app, '/echo')), /\n200\{.*\n200$/s);
  assert.equal(application.connections - before_, 1);
  await platform.admin.putSourceRules(site.gateway.id, app.id, { restricted: false, rules: [] });
  await is(app, '/echo', /\n200$/);
});

test('on an open connection the next request is for the destination as it is then', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const next = async (): Promise<string> => {
    const outgoing = request(url(app, '/'), { agent }).end();
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
    return `${answer.statusCode} ${Buffer.concat(await answer.toArray()).toString()}`;
  };
  const becomes = (text: RegExp) => until(next, (answer) => text.test(answer));
  assert.match(await next(), /^404 the application does not know this path/);
  await update(app, { resource: { port: nginx.port } });
  await becomes(/^200 hello from behind the gateway/);
  await update(app, { enabled: false });
  await becomes(/^503 .*CLIENT_DESTINATION_GONE/);
  await assert.rejects(curl(url(app, '/')));
  await update(app, { enabled: true, resource: { port: application.port } });
  await is(app, '/', /^the application[^]*\n404$/);
  agent.destroy();
});

test('a resource that refuses is a 502 that says so, and without the platform there is a 503', async () => {
  const gone = await make('gone', 1);
  const refused = await is(gone, '/', /"code":/);
  assert.match(refused, /"code":"CLIENT_RESOURCE_REFUSED".*\n502$/);
  assert.match(refused, /127\.0\.0\.1:1 refused/);
  await platform.part.stop();
  await is(app, '/echo', /"code":"CLIENT_NO_TUNNEL".*\n503$/);
});
