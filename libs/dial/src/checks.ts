/**
 * Checks of resources at their intervals, by key, and what each found last. The same for a client and for a node; who
 * wants a check, and who is told, is theirs.
 *
 *     set ──first within a second──► checking ──► found ──interval, a fifth of it at random──► checking …
 *
 * At most `checksAtOnceMax` run at a time; the others wait their turn.
 */
import { errorText } from './error-text.ts';
import type { ReachTarget } from './reach.ts';
import type { ResourceParts } from './resource-dialer.ts';
import { tryResource } from './trial.ts';

/** The most checks that run at once. */
export const checksAtOnceMax = 16;
/** A check that takes longer has failed, whatever the destination's connect time-out. */
const checkSecondsMax = 10;
const firstWithinMs = 1_000;
const causeMax = 1_000;

/** What is to be checked. `tcp` leaves TLS out; `udp` is for a target of UDP. */
export interface Check {
  readonly kind: 'tcp' | 'tls' | 'http' | 'udp';
  readonly target: ReachTarget;
  readonly http: { host: string; path: string } | null;
  readonly intervalSeconds: number;
}

/** What was found, and since when it is so. */
export interface Finding {
  readonly ok: boolean;
  readonly since: string;
  /** Why not, in plain words. */
  readonly cause: string | null;
}

/** What checks need of their owner. */
export interface ChecksParts {
  /** How the resource of a key is reached. */
  resource(key: string): Omit<ResourceParts, 'onStep'>;
  /** The finding is another: `turned` when it was well and is not, or the other way round, or is the first. */
  onFinding(key: string, finding: Finding, check: Check, turned: boolean): void;
}

interface Watch {
  readonly check: Check;
  readonly text: string;
  timer: NodeJS.Timeout | undefined;
  finding: Finding | null;
}

/** When many are to be checked at the same time. */
const soonMs = ({ intervalSeconds }: Check): number =>
  Math.random() * Math.min(firstWithinMs, intervalSeconds * 1000);

/** All checks of an owner. */
export class Checks {
  readonly #parts: ChecksParts;
  readonly #watches = new Map<string, Watch>();
  /** Keys of which a check is due, in their turn. */
  readonly #waiting = new Set<string>();
  readonly #abort = new AbortController();
  #running = 0;

  constructor(parts: ChecksParts) {
    this.#parts = parts;
  }

  /** How many there are. */
  get size(): number {
    return this.#watches.size;
  }

  /** What was found last; null before the first time. */
  finding(key: string): Finding | null {
    return this.#watches.get(key)?.finding ?? null;
  }

  /** All that was found, by key. */
  *findings(): Iterable<[key: string, finding: Finding]> {
    for (const [key, { finding }] of this.#watches) if (finding !== null) yield [key, finding];
  }

  /** Checks this from now on, or (null) no longer. The same check once more changes nothing. */
  set(key: string, check: Check | null): void {
    if (this.#abort.signal.aborted) return;
    const former = this.#watches.get(key);
    if (check === null) {
      clearTimeout(former?.timer);
      this.#watches.delete(key);
      this.#waiting.delete(key);
      return;
    }
    const text = JSON.stringify(check);
    if (former?.text === text) return;
    clearTimeout(former?.timer);
    const next: Watch = { check, text, timer: undefined, finding: former?.finding ?? null };
    this.#watches.set(key, next);
    this.#schedule(key, next, former === undefined ? soonMs(check) : 0);
  }

  /** Checks one anew within a second: whether it may be reached, and how, may be another now. */
  again(key: string): void {
    const former = this.#watches.get(key);
    if (former === undefined) return;
    clearTimeout(former.timer);
    // One that runs now is not noted any more: it may have begun before.
    const next: Watch = { ...former, timer: undefined };
    this.#watches.set(key, next);
    this.#schedule(key, next, soonMs(next.check));
  }

  /** Ends all. Idempotent. */
  close(): void {
    this.#abort.abort(new Error('it is stopping'));
    for (const { timer } of this.#watches.values()) clearTimeout(timer);
    this.#watches.clear();
    this.#waiting.clear();
  }

  #schedule(key: string, watch: Watch, afterMs: number): void {
    watch.timer = setTimeout(() => {
      this.#waiting.add(key);
      this.#runNext();
    }, afterMs).unref();
  }

  #runNext(): void {
    if (this.#running >= checksAtOnceMax) return;
    const [key] = this.#waiting;
    if (key === undefined) return;
    this.#waiting.delete(key);
    const watch = this.#watches.get(key);
    if (watch !== undefined) void this.#run(key, watch);
  }

  async #run(key: string, watch: Watch): Promise<void> {
    this.#running += 1;
    clearTimeout(watch.timer);
    try {
      const cause = await this.#check(key, watch.check);
      if (this.#watches.get(key) !== watch) return;
      this.#note(key, watch, cause);
      const intervalMs = watch.check.intervalSeconds * 1000;
      this.#schedule(key, watch, intervalMs * (0.8 + Math.random() * 0.2));
    } finally {
      this.#running -= 1;
      this.#runNext();
    }
  }

  /** Why the resource is not well; null when it is. */
  async #check(key: string, { kind, target, http, intervalSeconds }: Check): Promise<string | null> {
    const seconds = Math.min(
      target.connectTimeoutSeconds || checkSecondsMax,
      checkSecondsMax,
      Math.max(1, intervalSeconds),
    );
    const { tls: _tls, ...plain } = target;
    const trial = {
      target: { ...(kind === 'tcp' ? plain : target), connectTimeoutSeconds: seconds },
      http: kind === 'http' ? http : null,
      isWell: (status: number) => status >= 200 && status < 400,
    };
    const limit = AbortSignal.timeout(seconds * 1000 + 1_000);
    try {
      const signal = AbortSignal.any([this.#abort.signal, limit]);
      const last = (await tryResource(this.#parts.resource(key), trial, signal)).at(-1);
      return last === undefined || last.ok ? null : last.text;
    } catch (error) {
      return limit.aborted ? `no answer within ${seconds} s` : `the check failed: ${errorText(error)}`;
    }
  }

  #note(key: string, watch: Watch, fault: string | null): void {
    const former = watch.finding;
    const cause = fault === null ? null : fault.slice(0, causeMax);
    const ok = cause === null;
    if (former !== null && former.ok === ok && former.cause === cause) return;
    const since = former !== null && former.ok === ok ? former.since : new Date().toISOString();
    watch.finding = { ok, since, cause };
    this.#parts.onFinding(key, watch.finding, watch.check, former?.ok !== ok);
  }
}
