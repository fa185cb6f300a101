// Much at once: a gibibyte each way over one connection, a thousand connections, and readers that never read.
//
// `POSTERN_TEST_BULK_BYTES` makes the first one smaller where a machine is too slow for it; CI runs it whole.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import {
  type ExchangeServer,
  type Site,
  exchange,
  startExchangeServer,
  startSite,
} from '@postern/test-cluster';
import { until } from '@postern/test-kit';
import { type Flood, pour, startFlood } from './fixture/flood.ts';
import { onEachPlatform } from './fixture/platforms.ts';
import { type ServerFirstServer, startServerFirst } from './fixture/server-first.ts';

const MIB = 1024 * 1024;
const BULK_BYTES = Number(process.env['POSTERN_TEST_BULK_BYTES'] ?? 1024 * MIB);
const CONNECTIONS = 1_000;
const CONNECTION_BYTES_MAX = 200_000;
const STALLED = 4;
/** A window grows only where somebody reads, so that these streams hold their first windows; the rest is the heap's. */
const GROWTH_BYTES_MAX = 64 * MIB;

let resources: { exchange: ExchangeServer; serverFirst: ServerFirstServer; flood: Flood };

before(async () => {
  const [exchangeServer, serverFirst, flood] = await Promise.all([
    startExchangeServer(),
    startServerFirst(),
    startFlood(),
  ]);
  resources = { exchange: exchangeServer, serverFirst, flood };
});
after(() => Promise.all(Object.values(resources).map((resource) => resource[Symbol.asyncDispose]())));

onEachPlatform((booted) => {
  let site: Site;
  before(async () => {
    site = await startSite(booted().platform, { resources });
  });
  after(() => site.stop());

  test(`one connection carries ${BULK_BYTES / MIB} MiB each way at once, unchanged`, async () => {
    const wanted = { sendBytes: BULK_BYTES, receiveBytes: BULK_BYTES, seed: 1 };
    const result = await exchange(site.front('exchange'), wanted);
    assert.deepEqual([result.cause, result.sent, result.received], [null, BULK_BYTES, BULK_BYTES]);
  });

  test('a thousand connections at once, of any size, half-closed by either side first, are all unchanged', async () => {
    const random = randomOf(7);
    const bytes = (): number => Math.floor(random() * CONNECTION_BYTES_MAX) * (random() < 0.1 ? 0 : 1);
    const causes = await Promise.all(
      Array.from({ length: CONNECTIONS }, async (_, seed) => {
        const [one, other] = [bytes(), bytes()];
        if (seed % 2 === 0) {
          const wanted = { seed, sendBytes: one, receiveBytes: other };
          return (await exchange(site.front('exchange'), wanted)).cause;
        }
        const wanted = { seed, answerBytes: one, laterBytes: other };
        return resources.serverFirst.call(site.front('serverFirst'), wanted);
      }),
    );
    assert.deepEqual(count(causes), { null: CONNECTIONS });
  });

  test('readers that never read, at either end, stall only themselves, within the memory of their windows', async () => {
    const processes = [booted().nodes[0], site.client.part].map((part) => part?.pid ?? 0);
    await smallExchanges(site);
    const before = processes.map(residentBytes);
    const { host, port } = site.front('flood');
    const stalled = Array.from({ length: STALLED }, () => connect({ host, port }).pause());
    try {
      for (const socket of stalled) socket.on('connect', () => pour(socket));
      await untilStill(() => resources.flood.bytesSent);
      await untilStill(() => stalled.reduce((sum, one) => sum + one.bytesWritten - one.writableLength, 0));
      await smallExchanges(site);
      const growth = processes.map((pid, index) => residentBytes(pid) - (before[index] ?? 0));
      assert.ok(Math.max(...growth) < GROWTH_BYTES_MAX, `grew by ${growth.join(' and ')} bytes`);
    } finally {
      for (const socket of stalled) socket.destroy();
    }
  });
});

/** What other callers do meanwhile. */
async function smallExchanges(site: Site): Promise<void> {
  for (let seed = 0; seed < 100; seed += 1) {
    const result = await exchange(site.front('exchange'), { seed, sendBytes: 2_000, receiveBytes: 100_000 });
    assert.equal(result.cause, null);
  }
}

/** Resolves when a count stays the same for ten looks in a row, some milliseconds apart: nobody takes more. */
async function untilStill(read: () => number): Promise<void> {
  let [last, looks] = [-1, 0];
  await until(
    () => {
      const now = read();
      looks = now === last && now > 0 ? looks + 1 : 0;
      last = now;
      return looks;
    },
    (still) => still >= 10,
  );
}

function residentBytes(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) * 1024;
}

function count(values: readonly (string | null)[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[String(value)] = (counts[String(value)] ?? 0) + 1;
  return counts;
}

/** Random enough for sizes, and the same at each run. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}
