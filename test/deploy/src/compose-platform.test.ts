// The platform of deploy/compose on a Docker engine, whole: started, called through its static address by HTTP and psql,
// upgraded under load, its containers killed, taken down and started again, lost and restored, by the commands of
// deploy/compose/README.md as they are written there. With POSTERN_TEST_DEPLOY=full and an engine that has the images
// (deploy/images; base images or what stands in for them: test/deploy/src/process/stand-ins.ts). POSTERN_TEST_DEPLOY_FORMER
// is the commit that the upgrade begins with, whose images are tagged `former`; without it, that is the present one.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { findCommand } from '@postern/scripts/install';
import { timed, until } from './caller.ts';
import { Load, keepingConnections } from './compose-load.ts';
import {
  ComposePlatform,
  commandsOf,
  composeFolder,
  missingForPlatform,
  programs,
} from './compose-platform.ts';
import { PrivateSite, answer, hello, staticAddress } from './compose-site.ts';

const psql = findCommand('psql');
const missing = missingForPlatform('postgres:17') ?? (psql === null ? 'psql is not installed' : null);
const skip = missing === null ? false : `SKIPPED: ${missing}`;

interface Made {
  readonly id: string;
  readonly front: { readonly port: number };
}

test(
  'the platform of deploy/compose comes up, stands what it is for, and comes back',
  { skip },
  async (t) => {
    const scratch = mkdtempSync(join(tmpdir(), 'postern-compose-'));
    const platform = new ComposePlatform(scratch);
    let site: PrivateSite | null = null;
    t.after(async () => {
      await site?.remove();
      await platform.compose('down', '--volumes');
      rmSync(scratch, { recursive: true });
    });
    useFormer(platform, scratch);
    let front = { http: 0, postgres: 0 };
    const served = async (): Promise<boolean> => (await answer(front.http)) === hello;
    const step = async (name: string, work: () => Promise<void>): Promise<void> => {
      try {
        t.diagnostic(`${name}: ${((await timed(work())) / 1000).toFixed(1)} s`);
      } catch (cause) {
        throw new Error(name, { cause });
      }
    };

    await step('up -d --wait on a fresh host', async () => {
      await platform.compose('up', '-d', '--wait');
    });

    await step(
      'a client reaches what only it can reach, and callers that through the static address',
      async () => {
        site = await PrivateSite.make(platform, ['allow sample:8080', 'allow postgres:5432'], {
          overrides: ['postgres'],
        });
        front = {
          http: await site.destination('sample', 'sample:8080'),
          postgres: await site.destination('db', 'postgres:5432'),
        };
        await site.compose('up', '-d');
        await until('the sample is reached', 60_000, served);
        await until('psql through the balancer', 60_000, () => Promise.resolve(asksPostgres(front.postgres)));
      },
    );

    await step('the upgrade of the README, under load: no request fails', async () => {
      const before = await contents(platform);
      platform.use('latest');
      const ask = (): Promise<string> => answer(front.http);
      const callers = [ask, ask, keepingConnections((agent) => answer(front.http, agent))];
      const load = new Load(callers);
      for (const command of commandsOf('Upgrade').filter((one) => !/^docker compose .*build /.test(one))) {
        load.during = command;
        await platform.shell(command);
      }
      const { asked, failures } = await load.end();
      t.diagnostic(`${asked} requests while all was replaced, ${failures.length} failed`);
      assert(asked > 20);
      // A balancer of before the handover takes what is in flight with it, and nobody tells its callers.
      const balancers = failures.filter(({ during }) => during.includes('balancer-'));
      assert.deepEqual(failures, formerHandsOver() ? [] : balancers.slice(0, 2 * callers.length));
      for (const { cause } of failures) assert.match(cause, /^(nothing came|ECONNRESET|ECONNREFUSED|EPIPE)$/);
      assert.deepEqual(asShownBy(before, await contents(platform)), before);
    });

    const control = [
      'nats-1',
      'nats-2',
      'nats-3',
      ...platform.documents,
      'router',
      'acl',
      'certstore',
      'admin',
    ];
    for (const { what, killed, withinMs } of [
      { what: 'the balancer that holds the address', killed: null, withinMs: 2_000 },
      { what: 'a node', killed: ['edge-1'], withinMs: 2_000 },
      { what: 'a NATS server', killed: ['nats-2'], withinMs: 2_000 },
      { what: 'a member of MongoDB', killed: ['mongodb-1'], withinMs: 2_000 },
      { what: 'everything but nodes and balancers', killed: control, withinMs: 2_000 },
    ]) {
      await step(`${what} is killed and started again`, async () => {
        await kill(t, platform, killed ?? [await holderOf(platform)], withinMs, served);
      });
    }

    await step('down and up: nothing is lost', async () => {
      const before = await contents(platform);
      await site?.compose('down');
      await platform.compose('down');
      await platform.compose('up', '-d', '--wait');
      await site?.compose('up', '-d');
      await until('callers are served after down and up', 60_000, served);
      assert.deepEqual(await contents(platform), before);
    });

    await step('each service is refused what is another’s', async () => {
      for (const [service, others] of [
        ['router', ['acl', 'certstore', 'admin']],
        ['acl', ['router', 'certstore', 'admin']],
        ['certstore', ['router', 'acl', 'admin']],
        ['admin', ['router', 'acl', 'certstore']],
      ] as const)
        assert.equal((await platform.inside(service, overstep(service, others))).trim(), 'refused', service);
    });

    await step('everything lost but the backup and the key, and restored as the README says', async () => {
      const before = await contents(platform);
      const commands = commandsOf('Backup and restore');
      const first = commands.findIndex((one) => one.includes('import-key'));
      assert(first > 0);
      for (const command of commands.slice(0, first)) await platform.shell(command);
      await site?.compose('down');
      await platform.compose('down', '--volumes');
      for (const command of commands.slice(first)) await platform.shell(command);
      assert.deepEqual(await contents(platform), before);
      await site?.compose('up', '-d');
      await until('callers are served by the restored platform', 60_000, served);
    });

    await step('nobody was denied anything on the bus', async () => {
      const log = await platform.compose('logs', 'nats-1', 'nats-2', 'nats-3');
      assert.match(log, /Server is ready/);
      assert.doesNotMatch(log, /Violation/);
    });
  },
);

async function kill(
  t: TestContext,
  platform: ComposePlatform,
  killed: readonly string[],
  withinMs: number,
  served: () => Promise<boolean>,
): Promise<void> {
  await platform.compose('kill', ...killed);
  const ms = await timed(until(`a caller, with ${killed.join(', ')} killed`, withinMs, served));
  t.diagnostic(`${killed.join(', ')} killed: a caller was served after ${ms.toFixed(0)} ms`);
  await platform.compose('up', '-d', '--wait');
  await until('callers are served', 30_000, served);
}

/** The images of before, under a name of their own, and the files that start them. */
function useFormer(platform: ComposePlatform, scratch: string): void {
  const commit = process.env['POSTERN_TEST_DEPLOY_FORMER'];
  if (commit === undefined) {
    for (const name of programs) execFileSync('docker', ['tag', `postern/${name}`, `postern/${name}:former`]);
    return platform.use('former');
  }
  const archive = execFileSync('git', ['archive', commit, 'deploy/compose'], {
    cwd: join(composeFolder, '../..'),
  });
  execFileSync('tar', ['--extract', '--directory', scratch], { input: archive });
  platform.use('former', join(scratch, 'deploy/compose'));
}

/** Whether the balancers that the upgrade begins with pass on what is in flight when they stop. */
function formerHandsOver(): boolean {
  const image = ['run', '--rm', '--network', 'none', 'postern/balancer:former'];
  return execFileSync('docker', [...image, '--help'], { encoding: 'utf8' }).includes('--handover-port');
}

/** The balancer that has the static address now. */
async function holderOf(platform: ComposePlatform): Promise<string> {
  const script = `JSON.stringify(os.networkInterfaces()).includes('"${staticAddress}"')`;
  for (const name of ['balancer-1', 'balancer-2']) {
    if ((await platform.compose('exec', '-T', name, 'node', '-p', script)).trim() === 'true') return name;
  }
  throw new Error('no balancer has the address');
}

/** What operators see of a platform, which nothing may lose: not when a token was used, which the client does anew. */
async function contents(platform: ComposePlatform): Promise<unknown> {
  const gateways = await platform.cli<readonly Made[]>('gateways', 'list');
  const all = [];
  for (const { id } of gateways) {
    const made = await platform.cli<readonly Made[]>('destinations', 'list', id);
    const destinations = made.map((one) => [one.id, one.front]);
    const rules = await platform.cli('access-list', 'show', id);
    const used = await platform.cli<readonly { lastUsedAt?: string | null }[]>('tokens', 'list', id);
    const tokens = used.map(({ lastUsedAt: _lastUsedAt, ...token }) => token);
    all.push({ id, destinations, rules, tokens });
  }
  return all;
}

/** What is there now, without the fields of which an earlier version shows nothing. */
function asShownBy(earlier: unknown, now: unknown): unknown {
  if (Array.isArray(earlier) && Array.isArray(now)) return now.map((one, at) => asShownBy(earlier[at], one));
  if (!isFields(earlier) || !isFields(now)) return now;
  const shown = Object.entries(now).filter(([name]) => name in earlier);
  return Object.fromEntries(shown.map(([name, value]) => [name, asShownBy(earlier[name], value)]));
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** With the service's own user, into every other's database; says `refused` when all of it was. */
function overstep(service: string, others: readonly string[]): string {
  return `
    const { MongoClient } = require('/opt/postern/libs/store/node_modules/mongodb');
    const client = new MongoClient(fs.readFileSync('/secrets/mongodb-url', 'utf8'), { tls: true, ca: fs.readFileSync('/secrets/ca.pem') });
    (async () => {
      await client.db('postern_${service}').collection('tried').findOne({});
      const said = new Set();
      for (const other of ${JSON.stringify(others)}) {
        const theirs = client.db('postern_' + other).collection('gateways');
        for (const work of [() => theirs.findOne({}), () => theirs.insertOne({}), () => theirs.deleteMany({}), () => theirs.drop()])
          said.add(await work().then(() => 'taken', ({ code }) => (code === 13 ? 'refused' : 'code ' + code)));
      }
      console.log([...said].join());
      await client.close();
    })();
  `;
}

function asksPostgres(port: number): boolean {
  const where = ['--host', staticAddress, '--port', String(port), '--username', 'postgres'];
  try {
    const said = execFileSync(psql ?? '', [...where, '--tuples-only', '--command', 'select 6 * 7'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 10_000,
    });
    return said.trim() === '42';
  } catch {
    return false;
  }
}
