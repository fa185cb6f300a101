// Who may reach what, decided at both ends: the gateway's list, the client's own, and the source rules of a front.
// Every refusal names its rule in the log of the end that refused, in the destination's state and in `explain`.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { AccessRule } from '@postern/contracts';
import {
  type Endpoint,
  type Platform,
  type Resource,
  type Site,
  frontAt,
  makeScratch,
  startEcho,
  startSite,
  untilServed,
} from '@postern/test-cluster';
import { until } from '@postern/test-kit';
import { Caller, tryEcho } from './fixture/caller.ts';
import { onEachPlatform } from './fixture/platforms.ts';
import { refusal } from './fixture/refusal.ts';
import { type LogLine, toldAfter } from './fixture/told.ts';

let resources: { one: Resource; other: Resource };

before(async () => {
  resources = { one: await startEcho(), other: await startEcho() };
});
after(() => Promise.all(Object.values(resources).map((resource) => resource.stop())));

onEachPlatform((booted) => {
  let site: Site;
  before(async () => {
    site = await startSite(booted().platform, { resources });
  });
  after(() => site.stop());

  test('a gateway without rules denies everything, at every node, and says so', async () => {
    const { platform } = booted();
    await platform.admin.putAccessList(site.gateway.id, []);
    await eachNode(booted(), async (index) => {
      // The client may have heard of it from another node before this one did, and then it is the client that refuses.
      const line = await until(
        () => refusal(booted(), site.destination('one'), index),
        ({ code }) => code === 'EDGE_ACCESS_DENIED',
      );
      assert.match(String(line.msg), /no rule/);
    });
    const { accessList } = await platform.admin.destination(site.gateway.id, site.destination('one').id);
    assert.deepEqual([accessList.allowed, accessList.rule], [false, null]);
    assert.deepEqual(await platform.admin.explain(site.gateway.id, endpoint(resources.one)), accessList);
  });

  test("what the gateway's list denies is refused by the edge, which names the rule; what it allows works", async () => {
    const { platform } = booted();
    const [allowed, denied] = [site.destination('one'), site.destination('other')];
    await platform.admin.putAccessList(site.gateway.id, [
      rule('allow', resources.one),
      { action: 'deny', host: '127.0.0.0/8', port: '*' },
      { action: 'allow', host: '*', port: '*' },
    ]);
    await eachNode(booted(), async (index) => {
      await until(
        () => tryEcho(frontAt(platform, allowed, index)),
        (answer) => answer === 'echoed',
      );
      const line = await refusal(booted(), denied, index);
      assert.deepEqual([line['code'], line['end']], ['EDGE_ACCESS_DENIED', 'edge']);
      assert.equal(line['rule'], '1: deny 127.0.0.0/8:*');
    });
    const { accessList } = await platform.admin.destination(site.gateway.id, denied.id);
    assert.deepEqual(accessList.rule, { list: 'gateway', index: 1, text: 'deny 127.0.0.0/8:*' });
    assert.equal(accessList.allowed, false);
    assert.deepEqual(await platform.admin.explain(site.gateway.id, endpoint(resources.other)), accessList);
  });

  test('when the list changes, streams that it no longer allows are reset and the others go on', async () => {
    const { platform } = booted();
    const { gateway } = site;
    await platform.admin.putAccessList(gateway.id, [
      rule('allow', resources.one),
      rule('allow', resources.other),
    ]);
    await eachNode(booted(), async (index) => {
      const fronts = [site.front('one', index), site.front('other', index)] as const;
      await until(
        () => tryEcho(fronts[1]),
        (answer) => answer === 'echoed',
      );
      await using stays = new Caller(fronts[0]);
      await using goes = new Caller(fronts[1]);
      await Promise.all([stays.echo('before'), goes.echo('before')]);
      await platform.admin.putAccessList(gateway.id, [rule('allow', resources.one)]);
      assert.equal(await goes.ending(), 'ECONNRESET');
      await stays.echo('after');
      await platform.admin.putAccessList(gateway.id, [
        rule('allow', resources.one),
        rule('allow', resources.other),
      ]);
      await until(
        () => tryEcho(fronts[1]),
        (answer) => answer === 'echoed',
      );
      await stays.echo('and after that');
    });
  });

  test("what only the client's own list denies is refused, with the rule named, and its owner can change it", async () => {
    const { platform } = booted();
    const file = join(await makeScratch('acl'), 'own.acl');
    const allowOne = `acl allow 127.0.0.1:${resources.one.port}\n`;
    const denyOther = `acl deny 127.0.0.1:${resources.other.port}\n`;
    await writeFile(file, allowOne + denyOther);
    await using own = await startSite(platform, { resources, client: { args: ['-F', file] } });
    await until(
      () => platform.admin.clients(own.gateway.id),
      (clients) => clients.length === 1,
    );
    assert.equal(await tryEcho(own.front('one')), 'echoed');
    const line = await refusal(booted(), own.destination('other'), 0);
    assert.deepEqual([line['code'], line['end']], ['EDGE_CLIENT_DENIED', 'client']);
    assert.match(String(line['rule']), /^1: deny 127\.0\.0\.1:/);
    const ask = () => platform.admin.destination(own.gateway.id, own.destination('other').id);
    const { accessList } = await until(ask, (shown) => !shown.accessList.allowed);
    assert.deepEqual([accessList.rule?.list, accessList.rule?.index], ['client', 1]);
    assert.deepEqual(await platform.admin.explain(own.gateway.id, endpoint(resources.other)), accessList);

    await using stays = new Caller(own.front('one'));
    await stays.echo('before');
    await writeFile(file, `${allowOne}acl allow 127.0.0.1:${resources.other.port}\n`);
    own.client.part.kill('SIGHUP');
    await until(
      () => tryEcho(own.front('other')),
      (answer) => answer === 'echoed',
    );
    await using goes = new Caller(own.front('other'));
    await goes.echo('before');
    await writeFile(file, allowOne);
    own.client.part.kill('SIGHUP');
    assert.equal(await goes.ending(), 'ECONNRESET');
    await stays.echo('after');
  });

  test('what only the client can know, the address behind a name, it refuses itself and names the rule', async () => {
    const { platform } = booted();
    const file = join(await makeScratch('acl'), 'own.acl');
    await writeFile(file, `acl deny 127.0.0.1:${resources.one.port}\nacl allow :\n`);
    const hosts = ['--hosts', 'erp.corp=127.0.0.1'];
    const named = { one: { host: 'erp.corp', port: resources.one.port } };
    await using own = await startSite(platform, {
      resources: named,
      client: { args: ['-F', file, ...hosts] },
    });
    let edge: LogLine = {};
    const line = await toldAfter(
      own.client.part,
      [own.destination('one').id, 'denied at the client'],
      async () => {
        edge = await refusal(booted(), own.destination('one'), 0);
      },
    );
    const { port } = resources.one;
    const text = `deny 127.0.0.1:${port}`;
    assert.deepEqual(line['rule'], { list: 'client', index: 0, text });
    // From the first word to the last: a rule has one number, which its field has.
    const told = `erp.corp:${port} is denied at the client by the client's own access list: denied on its address 127.0.0.1 by "${text}"`;
    assert.equal(line.msg, `a stream was refused: ${told}`);
    assert.deepEqual([edge['code'], edge['end']], ['EDGE_CLIENT_DENIED', 'client']);
    assert.ok(edge.msg?.endsWith(`: ${told}`), String(edge.msg));
  });

  test('a client with a file without rules denies everything', async () => {
    const { platform } = booted();
    const file = join(await makeScratch('acl'), 'own.acl');
    await writeFile(file, 'acl allow :\nno acl\n');
    await using own = await startSite(platform, { resources, client: { args: ['-F', file] } });
    const line = await refusal(booted(), own.destination('one'), 0);
    assert.equal(line['code'], 'EDGE_CLIENT_DENIED');
  });

  test('source rules let in the callers that they name, and are asked again when they change', async () => {
    const { platform } = booted();
    const { gateway } = site;
    const { admin } = platform;
    await admin.putAccessList(gateway.id, [{ action: 'allow', host: '*', port: '*' }]);
    const destination = site.destination('one');
    const put = (restricted: boolean, ...sources: string[]) =>
      admin.putSourceRules(gateway.id, destination.id, {
        restricted,
        rules: sources.map((source) => ({ source })),
      });
    await eachNode(booted(), async (index) => {
      const front = frontAt(platform, destination, index);
      const as = (address: string) => tryEcho(front, address);
      await put(true, '127.0.0.2', '127.0.0.8/30', '127.0.0.20-127.0.0.30');
      await until(
        () => as('127.0.0.3'),
        (answer) => answer === 'ECONNRESET',
      );
      const answers = ['127.0.0.2', '127.0.0.11', '127.0.0.12', '127.0.0.30', '127.0.0.31'].map(as);
      assert.deepEqual(await Promise.all(answers), [
        'echoed',
        'echoed',
        'ECONNRESET',
        'echoed',
        'ECONNRESET',
      ]);
      const line = await refusal(booted(), destination, index, '127.0.0.3');
      assert.equal(line['code'], 'EDGE_SOURCE_DENIED');
      assert.match(String(line['caller']), /^127\.0\.0\.3:/);

      await using stays = new Caller(front, '127.0.0.2');
      await using goes = new Caller(front, '127.0.0.9');
      await Promise.all([stays.echo('before'), goes.echo('before')]);
      await put(true, '127.0.0.2');
      assert.equal(await goes.ending(), 'ECONNRESET');
      await stays.echo('after');
      await put(true);
      assert.equal(await stays.ending(), 'ECONNRESET');
      assert.equal(await as('127.0.0.2'), 'ECONNRESET');
      await put(false);
      await until(
        () => as('127.0.0.3'),
        (answer) => answer === 'echoed',
      );
    });
  });

  test('a source rule may name the port that the caller calls from', async () => {
    const { platform } = booted();
    const destination = await platform.admin.createDestination(site.gateway.id, {
      name: 'ports',
      resource: endpoint(resources.one),
    });
    await untilServed(platform, [destination]);
    const put = (sourcePort: string) =>
      platform.admin.putSourceRules(site.gateway.id, destination.id, {
        restricted: true,
        rules: [{ source: '127.0.0.0/8', sourcePort }],
      });
    await put('1-1023');
    await until(
      () => tryEcho(frontAt(platform, destination)),
      (answer) => answer === 'ECONNRESET',
    );
    await put('1024-65535');
    await until(
      () => tryEcho(frontAt(platform, destination)),
      (answer) => answer === 'echoed',
    );
    await platform.admin.deleteDestination(site.gateway.id, destination.id);
  });
});

async function eachNode(
  { platform }: { platform: Platform },
  act: (index: number) => Promise<void>,
): Promise<void> {
  for (const index of platform.nodeHosts.keys()) await act(index);
}

function rule(action: AccessRule['action'], { host, port }: Endpoint): AccessRule {
  return { action, host, port: String(port) };
}

function endpoint({ host, port }: Endpoint): Endpoint {
  return { host, port };
}
