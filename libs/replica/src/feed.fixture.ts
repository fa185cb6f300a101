/** What the tests of feeds share: an owner of policies over a store in memory, and followers of it. */
import { MemoryHub, type MemoryBus } from '@postern/bus';
import { policyFeed, type Policy } from '@postern/contracts';
import { openSqlite, type Collection, type Store, type StoredDocument } from '@postern/store';
import { FeedFollower, type FeedChange } from './feed-follower.ts';
import { FeedOwner } from './feed-owner.ts';
import { ManualClock } from './manual-clock.fixture.ts';

interface PolicyDocument extends StoredDocument {
  text: string;
}

type PolicySchema = typeof Policy;

/** A follower with its connection and what it told. */
export interface Followed {
  follower: FeedFollower<PolicySchema>;
  bus: MemoryBus;
  changes: FeedChange<Policy>[];
  /** Items as `id:text`, sorted. */
  items: () => string[];
}

/** One store, any number of replicas of its owner and of followers. */
export class FeedWorld {
  readonly hub = new MemoryHub();
  readonly clock = new ManualClock();
  readonly store: Store = openSqlite(':memory:');
  readonly errors: unknown[] = [];
  /** Runs before an owner lists or reads: a test may stop it there. */
  beforeRead: () => Promise<void> = async () => {};
  /** Whether an owner leaves a document out of its lists, as one whose gateway is gone. */
  isLeftOut: (id: string) => boolean = () => false;
  readonly #running: { stop(): Promise<void> }[] = [];
  #documents: Collection<PolicyDocument> | null = null;

  async documents(): Promise<Collection<PolicyDocument>> {
    this.#documents ??= await this.store.collection<PolicyDocument>('policies');
    return this.#documents;
  }

  /** What a restore does once its documents are in place, and the beat after it. */
  async renew(owner: FeedOwner): Promise<void> {
    await this.store.transaction((within) => owner.renewEpoch(within));
    owner.beat();
  }

  /** Another replica of the owner. */
  async owner(bus = this.hub.connect(), onRestored = () => {}): Promise<FeedOwner> {
    const documents = await this.documents();
    const owner = await FeedOwner.open({
      feed: policyFeed,
      store: this.store,
      bus,
      clock: this.clock,
      onRestored,
      onError: (error) => this.errors.push(error),
      source: {
        read: async (ids) => {
          await this.beforeRead();
          const found = await Promise.all(ids.map((id) => documents.get(id)));
          return found.flatMap((document) => (document === null ? [] : [policyOf(document)]));
        },
        list: async (cursor) => {
          await this.beforeRead();
          const page = await documents.list({ cursor, limit: 50 });
          const items = page.items.filter(({ id }) => !this.isLeftOut(id));
          return { ...page, items: items.map(policyOf) };
        },
      },
    });
    this.#running.push(owner);
    return owner;
  }

  /** A follower on a connection of its own. */
  follow(onChange = () => {}): Followed {
    const bus = this.hub.connect();
    const changes: FeedChange<Policy>[] = [];
    const follower = new FeedFollower<PolicySchema>({
      feed: policyFeed,
      bus,
      onChange: (change) => {
        changes.push(change);
        onChange();
      },
      onError: (error) => this.errors.push(error),
    });
    follower.start();
    this.#running.push(follower);
    const items = (): string[] =>
      [...follower.items.values()].map((item) => `${item.id}:${item.gatewayName}`).sort();
    return { follower, bus, changes, items };
  }

  /** Sets or (null) deletes documents in one transaction, as an owner does. */
  async change(
    owner: FeedOwner,
    texts: Record<string, string | null>,
    options: { beat?: boolean } = {},
  ): Promise<void> {
    const documents = await this.documents();
    await this.store.transaction(async (within) => {
      const inside = within(documents);
      for (const [id, text] of Object.entries(texts)) {
        const found = await inside.get(id);
        if (text === null) await inside.delete(id);
        else if (found === null) await inside.insert({ id, revision: 0, text });
        else await inside.replace({ ...found, text });
      }
      await owner.record(within, Object.keys(texts));
    });
    if (options.beat !== false) owner.beat();
  }

  /** What followers should have. */
  async truth(): Promise<string[]> {
    const { items } = await (await this.documents()).list({ limit: 1_000 });
    return items.map(({ id, text }) => `${id}:${text}`).sort();
  }

  async close(): Promise<void> {
    for (const running of this.#running) await running.stop();
    await this.store.close();
  }
}

/** Lets messages and promises that are due go on until nothing more happens in this process. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 25; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

function policyOf({ id, text }: PolicyDocument): Policy {
  const lists = { accessListRevision: 1, accessList: [], sourceRules: [], revokedTokens: [] };
  return { id, gatewayName: text, enabled: true, requireToken: true, ...lists };
}
