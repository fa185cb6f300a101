// HTTP fronts, with real programs on both sides: curl and Node as callers, nginx and a Node application as resources,
// on a whole platform. What is timed is timed by events: nothing here waits for a clock.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import {
  type Endpoint,
  type ProcessResource,
  type ShownDestination,
  type Site,
  frontAt,
  startNginx,
  startSite,
  untilServed,
} from '@postern/test-cluster';
import { until } from '@postern/test-kit';
import { WebSocket } from 'ws';
import { type Application, startApplication } from './fixture/http-application.ts';
import { onEachPlatform } from './fixture/platforms.ts';

const run = promisify(execFile);
const MIB = 1024 * 1024;

let nginx: ProcessResource;
let application: Application;

before(async () => {
  [nginx, application] = await Promise.all([startNginx(), startApplication()]);
});
after(async () => {
  application.server.closeAllConnections();
  application.server.close();
  await nginx.stop();
});

onEachPlatform((booted) => {
  let site: Site;
  let web: ShownDestination;
  let app: ShownDestination;

  before(async () => {
    const { platform } = booted();
    site = await startSite(platform, { resources: { plain: nginx } });
    await platform.admin.putAccessList(site.gateway.id, [{ action: 'allow', host: '*', port: '*' }]);
    const make = (name: string, { port }: Endpoint) =>
      platform.admin.createDestination(site.gateway.id, {
        name,
        resource: { host: '127.0.0.1', port },
        front: { protocol: 'http' },
      });
    [web, app] = [await make('web', nginx), await make('app', application)];
    await untilServed(platform, [web, app]);
  });
  after(() => site.stop());

  const front = (destination: ShownDestination): Endpoint => frontAt(booted().platform, destination);
  const url = (destination: ShownDestination, path: string): string => {
    const { host, port } = front(destination);
    return `http://${host}:${port}${path}`;
  };
  const curl = async (...args: string[]): Promise<string> => {
    const { stdout } = await run('curl', ['--silent', '--show-error', '--max-time', '60', ...args], {
      encoding: 'latin1',
      maxBuffer: 4 * MIB,
    });
    return stdout;
  };

  test('curl gets a page of nginx, which sees its own name', async () => {
    assert.equal(await curl(url(web, '/')), 'hello from behind the gateway\n');
    assert.match(await curl(url(web, '/echo')), /^GET 127\.0\.0\.1 curl/);
    const head = await curl('--head', url(web, '/'));
    assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(head, /\r\ncontent-length: 30\r\n/i);
    assert.match(head, /\r\npostern-tracking-id: \S+\r\n/i);
  });

  test('the application learns who called from the gateway, and not from the caller', async () => {
    const told = await curl(
      '-H',
      'X-Forwarded-For: 6.6.6.6',
      '-H',
      'Host: shop.example',
      url(app, '/echo?a=b'),
    );
    const {
      method,
      url: target,
      headers,
    } = JSON.parse(told) as { method: string; url: string; headers: Record<string, string> };
    assert.deepEqual([method, target], ['GET', '/echo?a=b']);
    assert.equal(headers['host'], `127.0.0.1:${application.port}`);
    assert.equal(headers['x-forwarded-host'], 'shop.example');
    assert.match(headers['x-forwarded-for'] ?? '', /^127\.\d+\.\d+\.\d+$/);
    assert.match(headers['forwarded'] ?? '', /^for=127[\d.]+;host=shop\.example;proto=http$/);
  });

  test('large bodies come through unchanged, both ways, by length and in chunks', async () => {
    const bytes = randomBytes(24 * MIB);
    const hash = createHash('sha256').update(bytes).digest('hex');
    const file = join(nginx.folder, 'www', 'large');
    await writeFile(file, bytes);
    const download = join(nginx.folder, 'download');
    await curl('-o', download, url(web, '/files/large'));
    assert.equal((await run('sha256sum', [download])).stdout.split(' ')[0], hash);
    assert.equal(await curl('--data-binary', `@${file}`, url(app, '/hash')), hash);
    assert.equal(
      await curl('-H', 'Transfer-Encoding: chunked', '--data-binary', `@${file}`, url(app, '/hash')),
      hash,
    );
  });

  test('a redirect of the resource to itself leads the caller to the front', async () => {
    const answer = await curl('--location', url(app, '/redirect'));
    assert.equal((JSON.parse(answer) as { url: string }).url, '/echo?from=redirect');
  });

  test('a file is put, copied, moved and removed by WebDAV, whose Destination names the front', async () => {
    const dav = (method: string, from: string, ...more: string[]) =>
      curl('-o', '/dev/null', '-w', '%{http_code}', '-X', method, ...more, url(web, `/files/${from}`));
    const to = (name: string) => ['-H', `Destination: ${url(web, `/files/${name}`)}`];
    assert.equal(await dav('PUT', 'one', '--data-binary', 'hello'), '201');
    assert.equal(await dav('COPY', 'one', ...to('two')), '204');
    assert.equal(await dav('MOVE', 'two', ...to('three')), '204');
    assert.equal(await curl(url(web, '/files/three')), 'hello');
    assert.equal(await dav('GET', 'two'), '404');
    for (const name of ['one', 'three']) assert.equal(await dav('DELETE', name), '204');
  });

  test('trailers, 100-continue and its refusal come through', async () => {
    assert.match(
      await curl('--raw', '--include', url(app, '/trailers')),
      /\r\n4\r\nbody\r\n0\r\nx-sum: 42\r\n\r\n$/i,
    );
    const sent = await curl(
      '-v',
      '--stderr',
      '-',
      '-H',
      'Expect: 100-continue',
      '--data',
      'hello',
      url(app, '/hash'),
    );
    assert.match(sent, /HTTP\/1\.1 100 Continue/);
    const refused = await curl(
      '--include',
      '-H',
      'Expect: 100-continue',
      '-H',
      'X-Refuse: 1',
      '--data',
      'hello',
      url(app, '/hash'),
    );
    assert.match(refused, /^HTTP\/1\.1 403 /);
  });

  test('an event of the resource is with the caller before the next one is sent', async () => {
    const { host, port } = front(app);
    const caller = request({ host, port, path: '/events' });
    caller.end();
    const [answer] = (await once(caller, 'response')) as [IncomingMessage];
    for (let index = 0; index < 20; index += 1) {
      application.send(`event ${index}`);
      const [chunk] = (await once(answer, 'data')) as [Buffer];
      assert.equal(chunk.toString(), `data: event ${index}\n\n`);
    }
    caller.destroy();
  });

  test('a WebSocket is a byte pipe once the resource has agreed', async () => {
    const { host, port } = front(app);
    const socket = new WebSocket(`ws://${host}:${port}/ws`);
    await once(socket, 'open');
    const large = randomBytes(MIB);
    for (const message of [Buffer.from('hello'), large]) {
      socket.send(message);
      const [echoed] = (await once(socket, 'message')) as [Buffer];
      assert.ok(echoed.equals(message));
    }
    socket.close(4_001, 'enough');
    const [code] = (await once(socket, 'close')) as [number];
    assert.equal(code, 4_001);
  });

  test('one connection to the resource serves many callers, one after the other', async () => {
    await curl(url(app, '/echo'));
    const before_ = application.connections;
    for (let index = 0; index < 10; index += 1) await curl(url(app, '/echo'));
    assert.ok(application.connections - before_ <= 1, `${application.connections - before_} were opened`);
  });

  test('path rules decide on the path that is sent, and the answer names the rule', async () => {
    const { platform } = booted();
    const at = { host: '127.0.0.1', port: String(application.port) };
    const everything = { action: 'allow', host: '*', port: String(nginx.port) } as const;
    await platform.admin.putAccessList(site.gateway.id, [
      { action: 'allow', ...at, path: '/echo' },
      { action: 'deny', ...at, path: '/echo/secret' },
      everything,
    ]);
    const { accessList } = await platform.admin.destination(site.gateway.id, app.id);
    assert.deepEqual([accessList.allowed, accessList.rule?.index], [true, 0]);
    const status = (path: string) =>
      curl('--path-as-is', '-o', '/dev/null', '-w', '%{http_code}', url(app, path));
    await until(
      () => status('/hash'),
      (code) => code === '403',
    );
    const codes = await Promise.all(
      [
        '/echo',
        '/x/../echo',
        '/echo/secret',
        '/echo/%73ecret',
        '/echo/../hash',
        '/echo/%2e%2e/hash',
        '//echo',
      ].map(status),
    );
    assert.deepEqual(codes, ['200', '200', '403', '403', '403', '403', '403']);
    const problem = JSON.parse(await curl(url(app, '/echo/secret'))) as Record<string, string>;
    assert.equal(problem['code'], 'EDGE_ACCESS_DENIED');
    assert.match(problem['rule'] ?? '', /^1: deny 127\.0\.0\.1:\d+\/echo\/secret$/);
    const page = await curl('-H', 'Accept: text/html', url(app, '/hash'));
    assert.match(page, /^<!doctype html>.*EDGE_ACCESS_DENIED.*Tracking ID/s);
    await platform.admin.putAccessList(site.gateway.id, [{ action: 'allow', host: '*', port: '*' }]);
    await until(
      () => status('/redirect'),
      (code) => code === '302',
    );
  });

  test('a rule that changes ends a request under way, and is asked for the next on the same connection', async () => {
    const { platform } = booted();
    const { host, port } = front(app);
    const held = request({ host, port, path: '/held' });
    const answered = once(held, 'response') as Promise<[IncomingMessage]>;
    held.end();
    await until(
      () => application.held.length,
      (count) => count === 1,
    );
    await platform.admin.putAccessList(site.gateway.id, [
      { action: 'allow', host: '*', port: String(nginx.port) },
    ]);
    const [answer] = await answered;
    assert.equal(answer.statusCode, 403);
    answer.resume();
    await application.held.pop()?.gone;
    await platform.admin.putAccessList(site.gateway.id, [{ action: 'allow', host: '*', port: '*' }]);
    await until(
      () => curl('-o', '/dev/null', '-w', '%{http_code}', url(app, '/echo')),
      (code) => code === '200',
    );
  });

  test('a resource that refuses is a 502 that says so, one without a client a 503', async () => {
    const { platform } = booted();
    const gone = await platform.admin.createDestination(site.gateway.id, {
      name: 'gone',
      resource: { host: '127.0.0.1', port: 1 },
      front: { protocol: 'http' },
    });
    await untilServed(platform, [gone]);
    const refused = JSON.parse(
      await curl('-w', '\n%{http_code}', url(gone, '/')).then((text) => text.split('\n')[0] ?? ''),
    ) as Record<string, unknown>;
    assert.deepEqual([refused['status'], refused['code']], [502, 'EDGE_RESOURCE_REFUSED']);
    assert.match(String(refused['detail']), /127\.0\.0\.1:1 refused/);
  });

  test('on the platform’s port the same is had by HTTPS and HTTP/2, told apart by name', async () => {
    const { platform } = booted();
    const secure = await platform.admin.createDestination(site.gateway.id, {
      name: 'secure',
      resource: { host: '127.0.0.1', port: application.port },
      front: { protocol: 'http', tls: { mode: 'server' } },
    });
    await untilServed(platform, [secure]);
    const { host: name = '', port } = secure.front ?? {};
    const { port: shared } = new URL(platform.connectUrl);
    const node = platform.nodeHosts[0] ?? '';
    const https = (path: string, ...args: string[]) =>
      curl(
        '--cacert',
        platform.caFile,
        '--connect-to',
        `${name}:${port}:${node}:${shared}`,
        ...args,
        `https://${name}:${port}${path}`,
      );
    await until(
      () => https('/echo', '--http2').catch((error: Error) => error.message),
      (answer) => answer.startsWith('{'),
    );
    for (const version of ['--http1.1', '--http2']) {
      const told = JSON.parse(await https('/echo', version, '-H', 'Cookie: a=b; c=d')) as {
        headers: Record<string, string>;
      };
      assert.equal(told.headers['x-forwarded-proto'], 'https');
      assert.equal(told.headers['x-forwarded-host']?.split(':')[0], name);
      assert.equal(told.headers['via'], version === '--http2' ? '2.0 postern' : '1.1 postern');
      assert.equal(told.headers['cookie'], 'a=b; c=d');
      assert.match(
        await https('/redirect', version, '--include'),
        new RegExp(`location: https://${name}[:/]`, 'i'),
      );
    }
    assert.equal(await https('/echo', '-o', '/dev/null', '-w', '%{http_version}', '--http2'), '2');
    const bytes = randomBytes(8 * MIB);
    const file = join(nginx.folder, 'upload');
    await writeFile(file, bytes);
    const hash = createHash('sha256').update(bytes).digest('hex');
    assert.equal(await https('/hash', '--http2', '--data-binary', `@${file}`), hash);
    // The dot of the root stands in Host and never in the server name.
    assert.equal(
      await https('/echo', '-o', '/dev/null', '-w', '%{http_code}', '-H', `Host: ${name}.`),
      '200',
    );
    const misdirected = await https('/echo', '-H', 'Host: other.example', '-w', '\n%{http_code}');
    assert.match(misdirected, /EDGE_HTTP_MISDIRECTED.*421$/s);
    const socket = new WebSocket(`wss://${node}:${shared}/ws`, {
      agent: new Agent({ ca: await readFile(platform.caFile), servername: name }),
      headers: { host: name },
    });
    await once(socket, 'open');
    socket.send('hello');
    const [echoed] = (await once(socket, 'message')) as [Buffer];
    assert.equal(echoed.toString(), 'hello');
    socket.close();
    await once(socket, 'close');
  });

  test('plain HTTP fronts share one port by name: exact before wildcard, nobody’s name and no name are the platform’s', async () => {
    const { platform } = booted();
    const at = { nginx, app: application };
    const make = (name: string, to: keyof typeof at, host: string | null = null) =>
      platform.admin.createDestination(site.gateway.id, {
        name,
        resource: { host: '127.0.0.1', port: at[to].port },
        front: { protocol: 'http', host, port: platform.httpPort },
      });
    const own = await make('named', 'app');
    const exact = await make('exact', 'nginx', 'a.corp.example');
    await make('wild', 'app', '*.corp.example');
    const node = `${platform.nodeHosts.at(-1)}:${platform.httpPort}`;
    const get = (host: string, path = '/', ...more: string[]) =>
      curl('-H', `Host: ${host}`, '-w', '\n%{http_code}', ...more, `http://${node}${path}`);
    const is = (host: string, text: RegExp, path?: string) =>
      until(
        () => get(host, path),
        (answer) => text.test(answer),
      );
    const unknown = /EDGE_HTTP_NAME_UNKNOWN.*\n404$/;
    const ofNginx = /^hello from behind the gateway\n\n200$/;
    const ofApplication = /"x-forwarded-host":"[^"]+".*\n200$/;
    await is(own.front?.host ?? '', ofApplication, '/echo');
    await is('a.corp.example', ofNginx);
    await is('A.Corp.Example:1234', ofNginx);
    await is('b.corp.example', ofApplication, '/echo');
    for (const name of [
      'corp.example',
      'x.b.corp.example',
      'localhost',
      '127.0.0.1',
      platform.platformHost,
    ]) {
      assert.match(await get(name), unknown, name);
    }
    assert.match(await get('b.corp.example', '/', '--request-target', 'http://a.corp.example/'), /\n400$/);
    const absolute = ['--request-target', 'http://b.corp.example/echo'];
    assert.match(await get('b.corp.example', '/', ...absolute), ofApplication);
    assert.match(await curl('--http1.0', '-H', 'Host:', `http://${node}/`), /EDGE_HTTP_NAME_UNKNOWN/);
    assert.match(await get('a.corp.example', '/', '--http1.0'), ofNginx);
    assert.match(await get('b.corp.example', '/echo', '--http2-prior-knowledge'), ofApplication);
    const page = await get('nobody.example', '/', '-H', 'Accept: text/html');
    assert.match(page, /^<!doctype html>.*EDGE_HTTP_NAME_UNKNOWN.*Tracking ID/s);

    const change = (patch: object) => platform.admin.updateDestination(site.gateway.id, exact.id, patch);
    await change({ enabled: false });
    await is('a.corp.example', /EDGE_DESTINATION_DISABLED.*\n503$/);
    await change({ enabled: true, front: { host: 'c.other.example' } });
    await is('c.other.example', ofNginx);
    await is('a.corp.example', ofApplication, '/echo');
    await platform.admin.deleteDestination(site.gateway.id, exact.id);
    await is('c.other.example', unknown);
  });

  test('a client that is killed in the middle of a request ends it with the cause; the next finds none', async () => {
    const { host, port } = front(app);
    const held = request({ host, port, path: '/held' });
    const answered = once(held, 'response') as Promise<[IncomingMessage]>;
    held.end();
    await until(
      () => application.held.length,
      (count) => count === 1,
    );
    await site.client.kill();
    await application.held.pop()?.gone;
    // A request that finds the tunnel before its end is known waits for the client, which may come back.
    await until(
      () => booted().platform.admin.clients(site.gateway.id),
      (clients) => clients.length === 0,
    );
    const next = JSON.parse(await curl(url(app, '/echo'))) as Record<string, unknown>;
    assert.equal(next['code'], 'EDGE_NO_CLIENT');
    assert.equal(next['status'], 503);
    await site.client.part.start();
    const [answer] = await answered;
    assert.equal(answer.statusCode, 502);
    const problem = JSON.parse(Buffer.concat(await answer.toArray()).toString()) as Record<string, unknown>;
    assert.equal(problem['code'], 'EDGE_CLIENT_RESTARTED');
    await until(
      () => curl('-o', '/dev/null', '-w', '%{http_code}', url(app, '/echo')),
      (code) => code === '200',
    );
  });
});
