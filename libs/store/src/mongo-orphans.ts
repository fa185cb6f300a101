/**
 * Transactions that nobody ends any more. Where a process dies in the middle of one, or is cut off, the server keeps what it
 * wrote from everybody for a minute; and each owner's changes write one counter, so none of them is made in that time. So a
 * process says, each second in which it has transactions, that it is there and in which sessions they are:
 *
 *     met another's writes for a second, ──► processes silent for 3 s ──► their sessions are ended, and forgotten
 *     or has its first transaction
 *
 * A process that only stood still finds its transaction gone, and runs it again. The time is the server's alone.
 */
import { randomUUID } from 'node:crypto';
import type { ClientSession, Collection, Db, MongoClient } from 'mongodb';

const sayIntervalMs = 1_000;
/** So long a process that has transactions may be silent. */
const silentMsMax = 3_000;
/** More sessions than a process has at once. */
const sessionsMax = 100;

type SessionId = NonNullable<ClientSession['id']>['id'];

interface Holder {
  _id: string;
  /** Of which program it is: a user of the database ends its own sessions only. */
  program: string;
  sessions: SessionId[];
  saidAt: Date;
}

/** Those of one program. Never rejects: where the database is out of reach, the transaction says so. */
export class MongoOrphans {
  readonly #client: MongoClient;
  readonly #holders: Collection<Holder>;
  readonly #program: string;
  readonly #id = randomUUID();
  readonly #sessions = new Map<string, SessionId>();
  #open = 0;
  #saidAt = -Infinity;
  #lookedAt = -Infinity;
  #timer: NodeJS.Timeout | undefined;

  constructor(client: MongoClient, database: Db, program: string) {
    this.#client = client;
    this.#holders = database.collection<Holder>('transactionHolders');
    this.#program = program;
  }

  /** To be called before a session's transaction begins; what it returns, when that is over. */
  async enter({ id }: ClientSession): Promise<() => void> {
    this.#open += 1;
    this.#timer ??= setInterval(() => void this.#say(), sayIntervalMs).unref();
    // Each start of a program says who it is under another ID: of those that ended nobody else would take that away.
    if (this.#saidAt === -Infinity) void this.end();
    if (this.#isNew(id) || performance.now() - this.#saidAt > sayIntervalMs) await this.#say();
    return () => {
      this.#open -= 1;
      if (this.#open > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  /** Ends the transactions of processes that are silent; at most once a second. */
  async end(): Promise<void> {
    const now = performance.now();
    if (now - this.#lookedAt < sayIntervalMs) return;
    this.#lookedAt = now;
    try {
      const { localTime } = await this.#client.db('admin').command({ hello: 1 });
      const isSilent = { program: this.#program, saidAt: { $lt: new Date(Number(localTime) - silentMsMax) } };
      for await (const holder of this.#holders.find(isSilent, { readConcern: { level: 'local' } })) {
        const { _id, sessions, saidAt } = holder;
        await this.#client.db('admin').command({ killSessions: sessions.map((id) => ({ id })) });
        await this.#holders.deleteOne({ _id, saidAt }, { writeConcern: { w: 1 } });
      }
    } catch {
      // Perhaps without the right to: the server ends them, later.
    }
  }

  /** Remembers it as the newest. */
  #isNew(session: ClientSession['id']): boolean {
    if (session === undefined) return false;
    const key = session.id.toString('hex');
    const isKnown = this.#sessions.delete(key);
    this.#sessions.set(key, session.id);
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size > sessionsMax && oldest !== undefined) this.#sessions.delete(oldest);
    return !isKnown;
  }

  async #say(): Promise<void> {
    this.#saidAt = performance.now();
    const sessions = [...this.#sessions.values()];
    const said = { $set: { program: this.#program, sessions }, $currentDate: { saidAt: true } } as const;
    await this.#holders
      .updateOne({ _id: this.#id }, said, { upsert: true, writeConcern: { w: 1 } })
      .catch(() => undefined);
  }
}
