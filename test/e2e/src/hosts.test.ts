// Names that whoever dials cannot resolve: from the client's own `--hosts`, and from the destination. The client runs
// where no name has an address, so nothing but these can have been used.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { DestinationInput } from '@postern/contracts';
import {
  type Resource,
  type ShownDestination,
  type Site,
  type StandaloneProcess,
  bootStandalone,
  frontAt,
  makeScratch,
  startEcho,
  startSite,
  untilServed,
} from '@postern/test-cluster';
import { freePort, until } from '@postern/test-kit';
import { tryEcho } from './fixture/caller.ts';
import { whyNamesRemain, withoutDns } from './fixture/without-dns.ts';

describe('a client where no name has an address', { skip: whyNamesRemain() ?? false }, () => {
  let platform: StandaloneProcess;
  let echo: Resource;
  let site: Site;
  let guarded: Site;

  before(async () => {
    [platform, echo] = await Promise.all([
      bootStandalone({ args: ['--cloud-local', '--cloud-denied', '127.0.0.9'] }),
      startEcho(),
    ]);
    const within = await withoutDns();
    const args = ['--hosts', 'own.corp=127.0.0.1'];
    site = await startSite(platform, { resources: {}, client: { args, within } });
    // Its owner allows a name, and one address.
    const file = join(await makeScratch('acl'), 'acl');
    await writeFile(file, `acl allow named.corp:\nacl allow 127.0.0.1:${echo.port}\n`);
    guarded = await startSite(platform, {
      resources: {},
      name: 'guarded',
      client: { args: ['-F', file], within },
    });
    for (const { gateway } of [site, guarded]) {
      await platform.admin.putAccessList(gateway.id, [
        { action: 'allow', host: '*', port: '*' },
        { action: 'deny', host: '127.0.0.5', port: '*' },
      ]);
    }
  });
  after(async () => {
    await Promise.all([site?.stop(), guarded?.stop()]);
    await Promise.all([platform?.stop(), echo?.stop()]);
  });

  let count = 0;
  async function make(
    resource: Partial<DestinationInput['resource']> & { host: string },
    at = site,
  ): Promise<ShownDestination> {
    count += 1;
    const input = { name: `names-${count}`, resource: { port: echo.port, ...resource } };
    const destination = await platform.admin.createDestination(at.gateway.id, input);
    await untilServed(platform, [destination]);
    return destination;
  }
  const call = (destination: ShownDestination) => tryEcho(frontAt(platform, destination));
  const stepsOf = async ({ id }: ShownDestination, at = site) => {
    const { clients } = await platform.admin.testDestination(at.gateway.id, id);
    return (clients[0]?.steps ?? []).map(({ text }) => text).join('\n');
  };

  test('has the addresses of its own hosts and of the destination, and no others', async () => {
    assert.equal(await call(await make({ host: 'own.corp' })), 'echoed');
    const given = await make({ host: 'Given.corp', hosts: { 'given.corp': '127.0.0.1' } });
    assert.deepEqual(given.resource.hosts, { 'given.corp': '127.0.0.1' });
    assert.equal(await call(given), 'echoed');
    assert.match(await stepsOf(given), /Given\.corp is 127\.0\.0\.1, as its destination says/);
    const nobodys = await make({ host: 'nobodys.corp' });
    assert.equal(await call(nobodys), 'ECONNRESET');
    assert.match(await stepsOf(nobodys), /cannot resolve nobodys\.corp.*or to the destination's hosts/);
  });

  test('goes by its own hosts before the destination’s', async () => {
    assert.equal(await call(await make({ host: 'own.corp', hosts: { 'own.corp': '127.0.0.77' } })), 'echoed');
  });

  test('takes another address at once, and none where there is none any more', async () => {
    const destination = await make({ host: 'moves.corp', hosts: { 'moves.corp': '127.0.0.77' } });
    assert.equal(await call(destination), 'ECONNRESET');
    const update = (resource: object) =>
      platform.admin.updateDestination(site.gateway.id, destination.id, { resource });
    await update({ hosts: { 'moves.corp': '127.0.0.1' } });
    await until(
      () => call(destination),
      (answer) => answer === 'echoed',
    );
    const renamed = await update({ host: 'own.corp' });
    assert.equal(renamed.resource.hosts, undefined);
  });

  test('is denied an address by the rule that denies it, whatever name leads there', async () => {
    const destination = await make({ host: 'denied.corp', hosts: { 'denied.corp': '127.0.0.5' } });
    assert.match(await stepsOf(destination), /denied on its address 127\.0\.0\.5 by "deny 127\.0\.0\.5:\*"/);
    assert.equal(await call(destination), 'ECONNRESET');
  });

  test('lets the platform give no address that its owner’s list does not allow', async () => {
    const named = (address: string) =>
      make({ host: 'named.corp', hosts: { 'named.corp': address } }, guarded);
    assert.equal(await call(await named('127.0.0.1')), 'echoed');
    const elsewhere = await named('127.0.0.77');
    assert.match(
      await stepsOf(elsewhere, guarded),
      /the client's own access list: no rule allows 127\.0\.0\.77/,
    );
    assert.equal(await call(elsewhere), 'ECONNRESET');
  });

  test('what nobody would ask for, and what is no address, is refused', async () => {
    const path = `/gateways/${site.gateway.id}/destinations`;
    const wrong: [resource: object, field: string][] = [
      [{ host: 'a.corp', hosts: { 'b.corp': '127.0.0.1' } }, '/resource/hosts/b.corp'],
      [{ host: 'a.corp', hosts: { 'a.corp': 'elsewhere' } }, '/resource/hosts/a.corp'],
      [{ host: '127.0.0.1', hosts: { '127.0.0.1': '127.0.0.2' } }, '/resource/hosts/127.0.0.1'],
    ];
    for (const [resource, field] of wrong) {
      const answer = await platform.admin.send('POST', path, {
        name: 'wrong',
        resource: { port: 1, ...resource },
      });
      const { errors } = answer.body as { errors: { path: string }[] };
      assert.deepEqual([answer.status, errors[0]?.path], [400, field]);
    }
  });

  test('a node takes a cloud destination’s addresses too, but where it may dial', async () => {
    const cloud = async (name: string, address: string) => {
      const clientPort = await freePort();
      await platform.admin.createDestination(site.gateway.id, {
        name,
        kind: 'cloud',
        clientPort,
        resource: { host: `${name}.cloud`, port: echo.port, hosts: { [`${name}.cloud`]: address } },
      });
      return { host: '127.0.0.1', port: clientPort };
    };
    const near = await cloud('near', '127.0.0.1');
    await until(
      () => tryEcho(near),
      (answer) => answer === 'echoed',
    );
    const far = await cloud('far', '127.0.0.9');
    const refused = site.client.part.line(/CLIENT_EDGE_DENIED.*127\.0\.0\.9 is in cloudDenied/, 30_000);
    await until(
      () => tryEcho(far),
      (answer) => answer === 'ECONNRESET',
    );
    await refused;
  });
});
