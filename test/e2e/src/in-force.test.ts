// A change is in force at every node when the API has answered it: whoever calls next meets what the answer said.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Resource, type Site, frontAt, startEcho, startSite } from '@postern/test-cluster';
import { tryEcho } from './fixture/caller.ts';
import { onEachPlatform } from './fixture/platforms.ts';
import { until } from './fixture/told.ts';

/** How often each change is made: what is late is so only now and then. */
const times = 10;
const everything = [{ action: 'allow' as const, host: '*', port: '*' }];

let echo: Resource;

before(async () => {
  echo = await startEcho();
});
after(() => echo.stop());

onEachPlatform((booted) => {
  let site: Site;
  before(async () => {
    const { host, port } = echo;
    site = await startSite(booted().platform, { resources: { echo: { host, port } } });
    for (const answer of callEach(site.destination('echo'))) await until(answer, (text) => text === 'echoed');
  });
  after(() => site.stop());

  /** A call of each node. */
  function callEach(destination: Parameters<typeof frontAt>[1]): (() => Promise<string>)[] {
    const { platform } = booted();
    return [...platform.nodeHosts.keys()].map(
      (index) => () => tryEcho(frontAt(platform, destination, index)),
    );
  }

  test('a front serves when its destination was made, and no longer when it was deleted', async () => {
    const { admin } = booted().platform;
    const { host, port } = echo;
    for (let n = 0; n < times; n += 1) {
      const made = await admin.createDestination(site.gateway.id, {
        name: `echo ${n}`,
        resource: { host, port },
      });
      for (const call of callEach(made)) assert.equal(await call(), 'echoed');
      await admin.deleteDestination(site.gateway.id, made.id);
      for (const call of callEach(made)) assert.equal(await call(), 'ECONNREFUSED');
    }
  });

  test('an access list holds when it was put, be it wider or narrower', async () => {
    const { admin } = booted().platform;
    for (let n = 0; n < times; n += 1) {
      await admin.putAccessList(site.gateway.id, []);
      for (const call of callEach(site.destination('echo'))) assert.equal(await call(), 'ECONNRESET');
      await admin.putAccessList(site.gateway.id, everything);
      for (const call of callEach(site.destination('echo'))) assert.equal(await call(), 'echoed');
    }
  });
});
