import assert from 'node:assert/strict';
import { once, EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type Bus, memoryBus } from '@postern/bus';
import {
  type Material,
  type Route,
  announce,
  answer,
  certificateFeed,
  sessionTicketsId,
} from '@postern/contracts';
import { silentLogger } from '@postern/telemetry';
import { Certificates } from './certificates.ts';
import { frontOf, routeOf } from '../fixture/documents.ts';

describe('the certificates of a node', () => {
  let bus: Bus;
  let certificates: Certificates;
  let revisions: Map<string, number>;
  let down: boolean;
  /** What certstore has, and does not give. */
  const damaged = new Set<string>();
  let questions: string[][];
  let position: number;
  /** What a question waits for before it is answered. */
  let gate: Promise<void>;
  let tickets: Material;
  const end = new AbortController();
  const events = new EventEmitter();

  beforeEach(() => {
    bus = memoryBus();
    revisions = new Map();
    down = false;
    damaged.clear();
    questions = [];
    position = 1;
    gate = Promise.resolve();
    tickets = ticketsOf(7);
    answer(bus, certificateFeed.since, () => ({
      epoch: 'e1',
      revision: position,
      whole: true,
      items: [...revisions].map(([id, contentRevision]) => record(id, contentRevision)),
      deleted: [],
      more: false,
    }));
    certificates = new Certificates({ bus, logger: silentLogger, desk: { forNode } });
    certificates.observe((id) => events.emit(id));
  });
  afterEach(async () => {
    await certificates.stop();
    await bus.close();
  });

  async function forNode(
    ids: string[],
  ): ReturnType<ConstructorParameters<typeof Certificates>[0]['desk']['forNode']> {
    if (down) throw new Error('certstore is away');
    if (ids.includes(sessionTicketsId)) return { items: [tickets], refused: [] };
    questions.push(ids);
    const known = ids.filter((id) => revisions.has(id) && !damaged.has(id));
    const unknown = ids.filter((id) => !known.includes(id));
    await gate;
    return {
      items: known.map((id) => material(id, revisions.get(id) ?? 1)),
      refused: unknown.map((id) => ({ id, code: notFound, message: 'none' })),
    };
  }

  function setRevision(id: string, revision: number): void {
    revisions.set(id, revision);
    position += 1;
    announce(bus, certificateFeed.beat, { epoch: 'e1', revision: position });
  }

  it('are those that its routes name, fetched before it is ready', async () => {
    revisions.set('c1', 1).set('c2', 1).set('c3', 1);
    certificates.handleRoute('d1', naming('c1', ['c2']));
    await certificates.start(end.signal);
    assert.equal(certificates.get('c1')?.chainPem, 'chain c1 1');
    assert.equal(certificates.get('c2')?.revision, 1);
    assert.equal(certificates.get('c3'), undefined);
    assert.equal(certificates.revision('c3'), 1);
  });

  it('do not keep a node without any from being ready', async () => {
    await certificates.start(end.signal);
    assert.deepEqual(questions, []);
  });

  it('come beside the cluster’s secret for session tickets, for which nobody waits', async () => {
    assert.equal(certificates.sessionTickets, null);
    await certificates.start(end.signal);
    assert.deepEqual(certificates.sessionTickets, { revision: 7, secret: 'c2VjcmV0' });
    assert.deepEqual(certificates.status().held, []);
  });

  it('come beside the secret of the next period too, and beside the last one while there is none', async (t) => {
    const again: (() => void)[] = [];
    const { setTimeout: setReal } = globalThis;
    t.mock.method(globalThis, 'setTimeout', (ask: () => void, ms: number) => {
      if (ms === 300_000) again.push(ask);
      return setReal(() => {}, ms);
    });
    const revisionAfter = async (asks: number): Promise<number | undefined> => {
      while (again.length < asks) await new Promise(setImmediate);
      return certificates.sessionTickets?.revision;
    };
    await certificates.start(end.signal);
    assert.equal(await revisionAfter(1), 7);
    tickets = ticketsOf(8);
    again.at(-1)?.();
    assert.equal(await revisionAfter(2), 8);
    down = true;
    again.at(-1)?.();
    assert.equal(await revisionAfter(3), 8);
    await certificates.stop();
    again.at(-1)?.();
    await new Promise(setImmediate);
    assert.equal(again.length, 3);
  });

  it('are asked for in questions of at most eight', async () => {
    for (let index = 0; index < 20; index += 1) {
      revisions.set(`c${index}`, 1);
      certificates.handleRoute(`d${index}`, naming(`c${index}`));
    }
    await certificates.start(end.signal);
    assert.equal(certificates.status().held.length, 20);
    assert(questions.every((ids) => ids.length <= 8));
  });

  it('are those of a backup that certstore was restored from, though they have lower revisions, and newer ones since', async () => {
    revisions.set('c1', 5);
    certificates.handleRoute('d1', naming('c1'));
    await certificates.start(end.signal);
    for (const revision of [2, 3]) {
      const changed = once(events, 'c1');
      setRevision('c1', revision);
      await changed;
      assert.equal(certificates.get('c1')?.chainPem, `chain c1 ${revision}`);
    }
  });

  it('are fetched anew when certstore has other contents', async () => {
    revisions.set('c1', 1);
    certificates.handleRoute('d1', naming('c1'));
    await certificates.start(end.signal);
    const changed = once(events, 'c1');
    setRevision('c1', 2);
    await changed;
    assert.equal(certificates.get('c1')?.revision, 2);
  });

  it('are here as certstore has them once the node has caught up, without a word from certstore', async () => {
    await certificates.start(end.signal);
    revisions.set('c1', 1);
    certificates.handleRoute('d1', naming('c1'));
    await certificates.catchUp();
    assert.equal(certificates.get('c1')?.revision, 1);
    revisions.set('c1', 2);
    position += 1;
    await certificates.catchUp();
    assert.equal(certificates.get('c1')?.revision, 2);
  });

  it('have come when the node has caught up, also where certstore takes its time', async () => {
    await certificates.start(end.signal);
    const answered = Promise.withResolvers<void>();
    gate = answered.promise;
    revisions.set('c1', 1);
    certificates.handleRoute('d1', naming('c1'));
    const caughtUp = certificates.catchUp().then(() => certificates.get('c1')?.revision);
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    answered.resolve();
    assert.equal(await caughtUp, 1);
  });

  it('keep nobody from catching up when certstore is gone', async () => {
    await certificates.start(end.signal);
    down = true;
    certificates.handleRoute('d1', naming('c1'));
    await certificates.catchUp();
    assert.equal(certificates.get('c1'), undefined);
  });

  it('are behind where certstore tells of other contents and gives none, until it does', async () => {
    revisions.set('c1', 1);
    certificates.handleRoute('d1', naming('c1'));
    await certificates.start(end.signal);
    down = true;
    revisions.set('c1', 2);
    position += 1;
    await certificates.catchUp();
    assert.deepEqual([certificates.get('c1')?.revision, certificates.isBehind], [1, true]);
    down = false;
    setRevision('c1', 3);
    await once(events, 'c1');
    assert.deepEqual([certificates.get('c1')?.revision, certificates.isBehind], [3, false]);
  });

  it('are behind where certstore refuses the newer contents of one that is here, and not where none is', async () => {
    revisions.set('c1', 1);
    certificates.handleRoute('d1', naming('c1', ['c2']));
    await certificates.start(end.signal);
    assert.deepEqual([certificates.refusal('c2')?.code, certificates.isBehind], [notFound, false]);
    damaged.add('c1');
    revisions.set('c1', 2);
    position += 1;
    await certificates.catchUp();
    assert.deepEqual([certificates.refusal('c1')?.code, certificates.isBehind], [notFound, true]);
    certificates.handleRoute('d1', undefined);
    assert.equal(certificates.isBehind, false);
  });

  it('stay when certstore is gone, and are dropped when the last route that names them is', async () => {
    revisions.set('c1', 1);
    certificates.handleRoute('d1', naming('c1'));
    certificates.handleRoute('d2', naming('c1'));
    await certificates.start(end.signal);
    down = true;
    setRevision('c1', 2);
    certificates.handleRoute('d1', undefined);
    assert.equal(certificates.get('c1')?.revision, 1);
    certificates.handleRoute('d2', routeOf({}));
    assert.equal(certificates.get('c1'), undefined);
  });

  it('are asked for again until certstore gives them', async () => {
    down = true;
    certificates.handleRoute('d1', naming('c1'));
    revisions.set('c1', 1);
    const started = certificates.start(end.signal);
    setImmediate(() => {
      down = false;
    });
    const keepAlive = setInterval(() => {}, 1_000);
    await started;
    clearInterval(keepAlive);
    assert.equal(certificates.get('c1')?.revision, 1);
  });

  it('are all there for a dial of this node, in their order, or it fails and says which is not and why', async () => {
    revisions.set('c1', 1).set('c2', 1);
    certificates.handleRoute('d1', naming('c1', ['c2', 'c3']));
    await assert.rejects(certificates.source(['c1']), {
      code: 'EDGE_CERTIFICATE_MISSING',
      message: /c1 is not at this node: it has not come from certstore yet/,
    });
    await certificates.start(end.signal);
    const found = await certificates.source(['c2', 'c1']);
    assert.deepEqual(
      found.map(({ id }) => id),
      ['c2', 'c1'],
    );
    await assert.rejects(certificates.source(['c1', 'c3']), {
      code: 'EDGE_CERTIFICATE_MISSING',
      message: /c3 is not at this node: none/,
    });
  });

  it('that come when no route names them any more, or when all has stopped, are not held, nor refusals of them', async () => {
    await certificates.start(end.signal);
    for (const stop of [
      async () => certificates.handleRoute('d1', undefined),
      async () => certificates.handleRoute('d1', routeOf({})),
      () => certificates.stop(),
    ]) {
      const answered = Promise.withResolvers<void>();
      gate = answered.promise;
      revisions.set('c1', 1);
      certificates.handleRoute('d1', naming('c1', ['c2']));
      const caughtUp = certificates.catchUp();
      questions.length = 0;
      while (questions.length === 0) await new Promise(setImmediate);
      const stopped = stop();
      answered.resolve();
      await Promise.all([stopped, caughtUp]);
      assert.deepEqual([certificates.get('c1'), certificates.refusal('c2')], [undefined, undefined]);
      assert.deepEqual(certificates.status(), { wanted: 0, held: [], refused: [] });
    }
  });

  it('that certstore refuses keep nobody waiting, and the reason is at hand', async () => {
    certificates.handleRoute('d1', naming('c1'));
    await certificates.start(end.signal);
    assert.equal(certificates.refusal('c1')?.code, 'CERTSTORE_CERTIFICATE_NOT_FOUND');
    const came = once(events, 'c1');
    setRevision('c1', 1);
    await came;
    assert.equal(certificates.refusal('c1'), undefined);
  });
});

const notFound = 'CERTSTORE_CERTIFICATE_NOT_FOUND';

const ticketsOf = (revision: number): Material => ({
  id: sessionTicketsId,
  revision,
  chainPem: '',
  keyPem: null,
  fingerprint: '',
  notAfter: '',
  sessionTickets: 'c2VjcmV0',
});

function naming(certificateId: string, clientCaIds: string[] = []): Route {
  return routeOf({
    front: frontOf({ tls: { ...frontOf().tls, mode: 'server', certificateId, clientCaIds } }),
  });
}

function record(id: string, contentRevision: number) {
  const facts = { kind: 'server' as const, subject: 'CN=x', fingerprint: 'f', hasKey: true };
  return { id, contentRevision, ...facts, notBefore: '2026-01-01', notAfter: '2027-01-01' };
}

function material(id: string, revision: number): Material {
  const chainPem = `chain ${id} ${revision}`;
  return { id, revision, chainPem, keyPem: 'key', fingerprint: 'f', notAfter: '2027-01-01' };
}
