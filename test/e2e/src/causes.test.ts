// Why a caller was not served: the log of the node names the cause, and the end that it lies at.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  type Endpoint,
  type Resource,
  type ShownDestination,
  type Site,
  frontAt,
  startEcho,
  startSite,
  untilServed,
} from '@postern/test-cluster';
import { freePort, until } from '@postern/test-kit';
import { tryEcho } from './fixture/caller.ts';
import { onEachPlatform } from './fixture/platforms.ts';
import { refusal } from './fixture/refusal.ts';
import { startSilent } from './fixture/silent.ts';

let echo: Resource;

before(async () => {
  echo = await startEcho();
});
after(() => echo.stop());

onEachPlatform((booted) => {
  let site: Site;
  before(async () => {
    const client = { args: ['--hosts', 'erp.corp=127.0.0.1', '--hosts', 'DB.Corp=127.0.0.1'] };
    site = await startSite(booted().platform, { resources: {}, client });
    await booted().platform.admin.putAccessList(site.gateway.id, [{ action: 'allow', host: '*', port: '*' }]);
  });
  after(() => site.stop());

  const make = async (
    name: string,
    resource: Endpoint & { connectTimeoutSeconds?: number },
  ): Promise<ShownDestination> => {
    const { platform } = booted();
    const destination = await platform.admin.createDestination(site.gateway.id, { name, resource });
    await untilServed(platform, [destination]);
    return destination;
  };

  test('the hosts map of the client resolves names, however they are written', async () => {
    for (const host of ['erp.corp', 'ERP.corp.', 'db.corp']) {
      const destination = await make(`named ${host}`, { host, port: echo.port });
      await until(
        () => tryEcho(frontAt(booted().platform, destination)),
        (answer) => answer === 'echoed',
      );
    }
  });

  test('a resource that refuses', async () => {
    const line = await refusal(
      booted(),
      await make('refusing', { host: '127.0.0.1', port: await freePort() }),
    );
    assert.deepEqual([line['code'], line['end']], ['EDGE_RESOURCE_REFUSED', 'resource']);
    assert.match(String(line.msg), /127\.0\.0\.1:\d+ refused/);
  });

  test('a name that the client cannot resolve', async () => {
    const line = await refusal(
      booted(),
      await make('unresolved', { host: 'no-such-host.invalid', port: 80 }),
    );
    assert.deepEqual([line['code'], line['end']], ['EDGE_RESOURCE_NOT_RESOLVED', 'client']);
    assert.match(String(line.msg), /no-such-host\.invalid.*--hosts/);
  });

  test('a resource that does not answer in time', async () => {
    await using silent = await startSilent();
    const line = await refusal(
      booted(),
      await make('silent', { host: silent.host, port: silent.port, connectTimeoutSeconds: 1 }),
    );
    assert.deepEqual([line['code'], line['end']], ['EDGE_RESOURCE_TIMED_OUT', 'resource']);
    assert.match(String(line.msg), /did not answer the client within 1 s/);
  });

  test('no client is connected', async () => {
    const { platform } = booted();
    const gateway = await platform.admin.createGateway({ name: 'lonely' });
    await platform.admin.putAccessList(gateway.id, [{ action: 'allow', host: '*', port: '*' }]);
    const { host, port } = echo;
    const destination = await platform.admin.createDestination(gateway.id, {
      name: 'lonely',
      resource: { host, port },
    });
    await untilServed(platform, [destination]);
    for (const index of platform.nodeHosts.keys()) {
      const line = await refusal(booted(), destination, index);
      assert.deepEqual([line['code'], line['end']], ['EDGE_NO_CLIENT', 'edge']);
      assert.match(String(line.msg), /no client of gateway lonely is connected/);
    }
    assert.equal((await platform.admin.gateway(gateway.id)).connected, false);
  });
});
