// Security tokens and the client that shows them: refused, revoked, changed without a cut; how a client ends.

import assert from 'node:assert/strict';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Gateway } from '@postern/contracts';
import { type StoredDocument, openSqlite } from '@postern/store';
import {
  type ClientProcess,
  type ClientProcessOptions,
  type Platform,
  type Resource,
  Site,
  bootStandalone,
  makeScratch,
  removeScratch,
  startClient,
  startEcho,
  startSite,
} from '@postern/test-cluster';
import { until } from '@postern/test-kit';
import { Caller, tryEcho } from './fixture/caller.ts';
import { onEachPlatform } from './fixture/platforms.ts';
import { toldAfter } from './fixture/told.ts';

let echo: Resource;

before(async () => {
  echo = await startEcho();
});
after(() => echo.stop());

onEachPlatform((booted) => {
  const platform = (): Platform => booted().platform;
  const connect = (
    gatewayId: string,
    options: Partial<ClientProcessOptions> = {},
  ): Promise<ClientProcess> => {
    const { connectUrl, caFile } = platform();
    return startClient({ gatewayId, connectUrl, caFile, ...options });
  };

  test('a client that is refused before its first tunnel ends with 77 and says why in plain words', async () => {
    const { admin } = platform();
    const gateway = await admin.createGateway({ name: 'strict' });
    const other = await admin.createGateway({ name: 'other' });
    const foreign = (await admin.createToken(other.id)).token;
    const revoked = await admin.createToken(gateway.id);
    await admin.revokeToken(gateway.id, revoked.id);
    const wrong = `pt_${'x'.repeat(43)}`;
    const refusals = {
      ACL_TOKEN_MISSING: { gatewayId: gateway.id },
      ACL_TOKEN_WRONG: { gatewayId: gateway.id, token: wrong },
      ACL_TOKEN_REVOKED: { gatewayId: gateway.id, token: revoked.token },
      ACL_GATEWAY_UNKNOWN: { gatewayId: 'nosuchgw', token: wrong },
    };
    const runs = Object.entries(refusals).map(async ([code, { gatewayId, ...shown }]) => {
      await refusedWith(code, await connect(gatewayId, { ...shown, waitUntilConnected: false }));
    });
    await Promise.all(runs);
    // Another gateway's token is as good as any.
    const client = await connect(gateway.id, { token: foreign, waitUntilConnected: false });
    await refusedWith('ACL_TOKEN_WRONG', client);
    await admin.deleteGateway(other.id);
  });

  test('a gateway that asks for no token takes a client without one, and cuts it when it asks for one', async () => {
    const { admin } = platform();
    const gateway = await admin.createGateway({ name: 'open', requireToken: false });
    await using client = await connect(gateway.id);
    await toldAfter(client.part, ['ACL_TOKEN_MISSING'], () =>
      admin.updateGateway(gateway.id, { requireToken: true }),
    );
    await untilClients(platform(), gateway, 0);
    assert.ok(client.part.isRunning, 'it has been connected, so it tries on');
  });

  test('two clients whose state folder was copied are told of it, at both ends', async () => {
    await using site = await startSite(platform(), { resources: {} });
    const [node] = booted().nodes;
    assert.ok(node);
    const { token } = site.token;
    const copy = await makeScratch('copied');
    await copyFile(join(site.client.folder, 'identity-1.pem'), join(copy, 'identity-1.pem'));
    const same = { token, args: ['--state', copy], waitUntilConnected: false };
    let second: ClientProcess | undefined;
    const start = async (): Promise<void> => {
      second = await connect(site.gateway.id, same);
    };
    await Promise.all([
      toldAfter(site.client.part, ['"level":"warn"', 'another program has this client'], start),
      toldAfter(node, ['"level":"warn"', 'two programs run with the identity of one client'], async () => {}),
    ]);
    await second?.stop();
    removeScratch(copy);
  });

  test('a revoked token closes its tunnels and streams at once; those of another token go on', async () => {
    await using site = await startSite(platform(), { resources: { echo } });
    const { admin } = platform();
    const { gateway } = site;
    const second = await admin.createToken(gateway.id, { note: 'second' });
    await using other = await connect(gateway.id, { token: second.token, name: 'other' });
    // Where the other has its tunnel at another node only, none of the callers are its.
    await until(
      () => tunnelIds(platform(), gateway),
      (ids) => ids.length === 4,
    );
    const callers = Array.from({ length: 20 }, () => new Caller(site.front('echo')));
    await Promise.all(callers.map((caller) => caller.echo('before')));

    await toldAfter(site.client.part, ['ACL_TOKEN_REVOKED'], () =>
      admin.revokeToken(gateway.id, site.token.id),
    );
    await untilClients(platform(), gateway, 1);
    const after = await Promise.all(
      callers.map((caller) =>
        caller.echo('after').then(
          () => 'served',
          () => caller.ending(),
        ),
      ),
    );
    assert.deepEqual(new Set(after), new Set(['served', 'ECONNRESET']));
    for (const caller of callers) await caller[Symbol.asyncDispose]();
    assert.equal(await tryEcho(site.front('echo')), 'echoed');
    const [left] = await admin.clients(gateway.id);
    assert.equal(left?.id, other.clientId);
    const shown = await admin.tokens(gateway.id);
    assert.deepEqual(
      shown.map(({ id }) => id),
      [second.id],
    );
  });

  test('a new token in the file replaces the old one without a cut, and a client that was cut comes back with it', async () => {
    const { admin } = platform();
    const file = join(await makeScratch('token'), 'token');
    const gateway = await admin.createGateway({ name: 'rotating' });
    const first = await admin.createToken(gateway.id);
    await writeFile(file, `${first.token}\n`, { mode: 0o600 });
    const site = await siteOf(
      platform(),
      gateway,
      first,
      await connect(gateway.id, { args: ['--token-file', file] }),
    );
    await using client = site.client;
    const front = site.front('echo');
    await until(
      () => tryEcho(front),
      (answer) => answer === 'echoed',
    );
    await using caller = new Caller(front);
    const rotated = new AbortController();
    const traffic = (async () => {
      for (let round = 0; !rotated.signal.aborted; round += 1)
        await caller.echo(`round ${round} ${'x'.repeat((round * 7_919) % 50_000)}`);
    })();

    const second = await admin.createToken(gateway.id);
    const before = await tunnelIds(platform(), gateway);
    await writeFile(file, `${second.token}\n`);
    client.part.kill('SIGHUP');
    await until(
      () => tunnelIds(platform(), gateway),
      (now) => now.length >= 2 && now.every((id) => !before.includes(id)),
    );
    await admin.revokeToken(gateway.id, first.id);
    await until(
      () => admin.tokens(gateway.id),
      (tokens) => tokens.length === 1,
    );
    rotated.abort();
    await traffic;
    await caller.echo('by the second token');
    assert.equal(await tryEcho(front), 'echoed');

    await toldAfter(client.part, ['ACL_TOKEN_REVOKED'], () => admin.revokeToken(gateway.id, second.id));
    assert.equal(await caller.ending(), 'ECONNRESET');
    await writeFile(file, `${(await admin.createToken(gateway.id)).token}\n`);
    await until(
      () => tryEcho(front),
      (answer) => answer === 'echoed',
    );
  });

  test('a client that an operator ends goes with 0 and takes its streams along', async () => {
    await using site = await startSite(platform(), { resources: { echo } });
    await using caller = new Caller(site.front('echo'));
    await caller.echo('before');
    const { part, clientId } = site.client;
    await platform().admin.endClient(site.gateway.id, clientId);
    assert.equal(await caller.ending(), 'ECONNRESET');
    assert.deepEqual(await part.exited, { code: 0, signal: null });
    await untilClients(platform(), site.gateway, 0);
    await assert.rejects(platform().admin.endClient(site.gateway.id, clientId), { status: 404 });
  });
});

test('a token that has expired is refused with 77, and a client that was connected by it tries on', async () => {
  await using standalone = await bootStandalone();
  await using site = await startSite(standalone, { resources: { echo } });
  await standalone.part.stop();
  // What the passing of a day would do, which is the shortest life that the API gives.
  const store = openSqlite(join(standalone.state, 'postern.db'));
  const tokens = await store.collection<StoredDocument & { expiresAt: string }>('tokens');
  const token = await tokens.get(site.token.id);
  assert(token);
  await tokens.replace({ ...token, expiresAt: new Date(Date.now() - 1_000).toISOString() });
  // No ticket outlives its token, and no key the last ticket that it signed.
  const keys = await store.collection('ticketKeys');
  for (const { id } of (await keys.list({ limit: 100 })).items) await keys.delete(id);
  await store.close();
  const told = toldAfter(site.client.part, ['ACL_TOKEN_EXPIRED'], () => standalone.part.start());
  assert.match(String((await told).msg), /expired at/);
  assert.ok(site.client.part.isRunning);
  const { connectUrl, caFile } = standalone;
  const shown = { gatewayId: site.gateway.id, token: site.token.token, connectUrl, caFile };
  await refusedWith('ACL_TOKEN_EXPIRED', await startClient({ ...shown, waitUntilConnected: false }));
});

async function refusedWith(code: string, client: ClientProcess): Promise<void> {
  await using refused = client;
  const { part } = refused;
  assert.equal((await part.exited).code, 77, part.output.tail);
  assert.match(part.output.tail, new RegExp(code));
  assert.doesNotMatch(part.output.tail, /^connected /m);
  assert.doesNotMatch(part.output.tail, /pt_/, 'a token is never shown');
}

async function siteOf(
  platform: Platform,
  gateway: Gateway,
  token: Site['token'],
  client: ClientProcess,
): Promise<Site> {
  const { host, port } = echo;
  const { admin } = platform;
  await admin.putAccessList(gateway.id, [{ action: 'allow', host, port: String(port) }]);
  const destination = await admin.createDestination(gateway.id, { name: 'echo', resource: { host, port } });
  return new Site({ platform, gateway, token, client, destinations: new Map([['echo', destination]]) });
}

async function untilClients({ admin }: Platform, gateway: Gateway, count: number): Promise<void> {
  await until(
    async () => (await admin.clients(gateway.id)).length,
    (length) => length === count,
  );
}

async function tunnelIds({ admin }: Platform, gateway: Gateway): Promise<string[]> {
  return (await admin.clients(gateway.id)).flatMap(({ tunnels }) => tunnels.map(({ id }) => id));
}
