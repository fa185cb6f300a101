/**
 * Whether the parts behind the API answer: each is asked something cheap that it answers from its documents, and has as long
 * as for any question, so that one whose database is away says that itself. admin changes a document of its own: a database
 * that is full, read-only or without a majority still lets itself be read.
 */
import type { Bus } from '@postern/bus';
import {
  type FleetNode,
  ServiceError,
  ask,
  backupQuestions,
  backupRooms,
  getCa,
  listGateways,
  listNodes,
  listTicketKeys,
} from '@postern/contracts';
import {
  type Store,
  StoreError,
  type StoredDocument,
  clockDifference,
  clockText,
  isClockOff,
} from '@postern/store';
import { Type, type Static } from 'typebox';
import { endpoint, type Endpoint } from '../http/endpoint.ts';
import { answerOf } from '../http/shape.ts';
import type { WrongClocks } from './wrong-clocks.ts';

const Part = Type.Object({
  name: Type.String(),
  ok: Type.Boolean(),
  code: Type.Union([Type.String(), Type.Null()], { description: 'the error code when it is not' }),
});
const Nodes = Type.Object({
  ready: Type.Integer({ description: 'nodes that take tunnels and callers now' }),
  known: Type.Integer(),
});
const Health = answerOf('Health', {
  status: Type.Union([Type.Literal('ok'), Type.Literal('degraded')]),
  version: Type.String(),
  nodes: Type.Union([Nodes, Type.Null()], {
    description: 'null where the router, which knows them, does not answer',
  }),
  parts: Type.Array(Part),
  warnings: Type.Array(Type.String(), {
    description:
      'nodes that are known and do not take callers, each with why: others serve in their place. One that said goodbye is no more known, one that is silent for ten minutes. And nodes that go on with what they had since they cannot fetch what has changed, services whose clock is 5 s and more from the database’s, and a restore that was broken off between two services',
  }),
});

/** So long the bus has for its own answer: less than the owners, whose questions go over it. */
const busMs = 3_000;

/** What health is told of. */
export interface HealthParts {
  readonly bus: Bus;
  readonly store: Store;
  readonly version: string;
  readonly clocks: Pick<WrongClocks, 'warnings'>;
}

/** The call that tells the platform's health. */
export function healthEndpoints(parts: HealthParts): Endpoint[] {
  let running: Promise<Static<typeof Health>> | null = null;
  return [
    endpoint({
      method: 'GET',
      path: '/health',
      operationId: 'getHealth',
      tag: 'Health',
      summary: 'Whether the services answer, documents can be changed, and how many nodes are ready',
      description:
        'Always 200: whoever can ask is served. Programs read `status`. While acl, which knows the keys, is out of reach, one that it let in within the hour may ask. Where the part `bus` is not ok, what is said of router, acl and certstore follows from that.',
      reserve: true,
      status: 200,
      answer: Health,
      handle: async () => {
        // Whoever asks while it is found out is told the same: however many ask, one document is changed.
        running ??= examine(parts).finally(() => {
          running = null;
        });
        return { body: await running };
      },
    }),
  ];
}

async function examine({ bus, store, version, clocks }: HealthParts): Promise<Static<typeof Health>> {
  const [isHeard, known, ownClock, restored, ...parts] = await Promise.all([
    answers(bus),
    ask(bus, listNodes, {}).then(
      ({ items }) => items,
      () => null,
    ),
    inTime(clockDifference(store)).catch(() => 0),
    restoredBy(bus),
    check('documents', () => inTime(change(store))),
    // The nodes it would tell without any documents.
    check('router', () => ask(bus, listGateways, { limit: 1 })),
    check('acl', () => ask(bus, listTicketKeys, {})),
    check('certstore', () => ask(bus, getCa, {})),
  ]);
  parts.unshift(busPart(bus, isHeard));
  const nodes = known === null ? null : countNodes(known);
  const isWhole = parts.every((part) => part.ok) && nodes !== null && nodes.ready > 0;
  const warnings = (known ?? []).flatMap((node) => [warningOf(node) ?? [], behindOf(node)].flat());
  warnings.push(...clocks.warnings, ...unfinishedOf(restored));
  if (isClockOff(ownClock)) warnings.push(`the clock of an admin API is ${clockText(ownClock)}`);
  return { status: isWhole ? 'ok' : 'degraded', version, nodes, parts, warnings };
}

/** Told after the others were asked: that may be when it is found out. */
function busPart({ connected }: Bus, isHeard: boolean): Static<typeof Part> {
  const code = connected ? (isHeard ? null : 'BUS_TIMEOUT') : 'BUS_UNREACHABLE';
  return { name: 'bus', ok: code === null, code };
}

/** A server that stands still has its connection for ten seconds more, and the owners behind it would be told as silent. */
async function answers(bus: Bus): Promise<boolean> {
  return inTime(bus.flush(listGateways.deadlineMs), busMs).then(
    () => true,
    () => false,
  );
}

function countNodes(known: readonly FleetNode[]): Static<typeof Nodes> {
  return { ready: known.filter((node) => warningOf(node) === null).length, known: known.length };
}

/** Why a node takes no callers; null where it does. */
function warningOf({ name, heard, draining, ready }: FleetNode): string | null {
  if (!heard) return `the node ${name} is silent, and did not say that it stops`;
  if (draining) return `the node ${name} drains`;
  return ready ? null : `the node ${name} is not ready`;
}

/** Of a silent one nothing else is said. */
function behindOf({ name, heard, behind = [] }: FleetNode): string[] {
  if (!heard || behind.length === 0) return [];
  return [
    `the node ${name} could not fetch what has changed (${behind.join(', ')}), and goes on with what it had: its log says why`,
  ];
}

/** Which restore each owner's documents are of; undefined where it does not say. */
function restoredBy(bus: Bus): Promise<(string | null | undefined)[]> {
  return Promise.all(
    backupRooms.map((room) =>
      ask(bus, backupQuestions(room).done, {}).then(
        ({ restoreId }) => restoreId,
        () => undefined,
      ),
    ),
  );
}

/** They are put in place in the order of the owners, so the first has the newest. */
function unfinishedOf([first, ...others]: readonly (string | null | undefined)[]): string[] {
  const lacking = backupRooms.slice(1).filter((_, n) => others[n] !== undefined && others[n] !== first);
  if (first == null || lacking.length === 0) return [];
  return [
    `${backupRooms[0]} has the documents of a backup, and ${lacking.join(' and ')} not: the restore is under way or was broken off. Run the same postern restore again`,
  ];
}

/** The time makes it another document each time: the same again would not be written. */
async function change(store: Store): Promise<void> {
  const checks = await store.collection<StoredDocument & { at: string }>('admin_health');
  await checks.put({ id: 'last', revision: 1, at: new Date().toISOString() });
}

/** Of a database that is slower than a question may take the owners' answers come too late, and they cannot say why. */
async function inTime<R>(work: Promise<R>, ms = listGateways.deadlineMs): Promise<R> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new StoreError('STORE_TIMEOUT', `there was no answer within ${ms} ms`));
  }, ms);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function check(name: string, work: () => Promise<unknown>): Promise<Static<typeof Part>> {
  try {
    await work();
    return { name, ok: true, code: null };
  } catch (error) {
    return { name, ok: false, code: ServiceError.from(error).code };
  }
}
