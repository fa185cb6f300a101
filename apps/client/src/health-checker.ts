/**
 * Checks resources at their intervals, each once however many nodes want it, and tells every node what changed. A node
 * that comes later is told what was found so far, and all of them once a minute, so that nothing that got lost stays so.
 *
 *     wanted ──first within a second──► checking ──► found ──interval, a fifth of it at random──► checking …
 *
 * At most `checksAtOnceMax` run at a time; the others wait their turn.
 */
import { type HealthCheck, type HealthFinding, healthChecksMax, healthFindingsMax } from '@postern/contracts';
import { type Trial, errorText, tryResource } from '@postern/dial';
import type { Session } from '@postern/tunnel';
import type { DiagnosisParts } from './diagnosis.ts';

/** The most checks that run at once for one gateway. */
export const checksAtOnceMax = 16;
/** A check that takes longer has failed, whatever the destination's connect time-out. */
const checkSecondsMax = 10;
const firstWithinMs = 1_000;
const repeatMs = 60_000;
const causeMax = 1_000;

interface Watch {
  check: HealthCheck;
  text: string;
  timer: NodeJS.Timeout | undefined;
  finding: HealthFinding | null;
}

/** One for each gateway. */
export class HealthChecker {
  readonly #parts: DiagnosisParts;
  /** Which nodes want a destination checked, the one that said so last at the end. */
  readonly #wanted = new Map<string, Map<Session, HealthCheck>>();
  readonly #watches = new Map<string, Watch>();
  readonly #sessions = new Set<Session>();
  readonly #waiting: (() => void)[] = [];
  readonly #repeat: NodeJS.Timeout;
  readonly #abort = new AbortController();
  #running = 0;

  constructor(parts: DiagnosisParts) {
    this.#parts = parts;
    this.#repeat = setInterval(() => this.#tellAll(), repeatMs).unref();
  }

  /** How many destinations are checked, for status lines. */
  get size(): number {
    return this.#watches.size;
  }

  /** A node wants a destination checked so, or (null) no longer. */
  set(session: Session, destinationId: string, check: HealthCheck | null): void {
    if (this.#abort.signal.aborted) return;
    this.#sessions.add(session);
    const wanted = this.#wanted.get(destinationId) ?? new Map<Session, HealthCheck>();
    wanted.delete(session);
    if (check !== null) wanted.set(session, check);
    if (wanted.size === 0) this.#wanted.delete(destinationId);
    else if (this.#wanted.size < healthChecksMax || this.#wanted.has(destinationId))
      this.#wanted.set(destinationId, wanted);
    this.#settle(destinationId);
    const found = this.#watches.get(destinationId)?.finding ?? null;
    if (check !== null && found !== null) session.sendControl({ kind: 'health', items: [found] });
  }

  /** The tunnel is gone, and what its node wanted with it. */
  forget(session: Session): void {
    if (!this.#sessions.delete(session)) return;
    for (const [destinationId, wanted] of this.#wanted) {
      if (!wanted.delete(session)) continue;
      if (wanted.size === 0) this.#wanted.delete(destinationId);
      this.#settle(destinationId);
    }
  }

  /** Ends all checks. */
  close(): void {
    this.#abort.abort(new Error('the client is stopping'));
    clearInterval(this.#repeat);
    for (const { timer } of this.#watches.values()) clearTimeout(timer);
    this.#watches.clear();
    this.#wanted.clear();
    this.#sessions.clear();
  }

  /** What runs follows what is wanted; where nodes differ, the one that spoke last counts. */
  #settle(destinationId: string): void {
    const check = [...(this.#wanted.get(destinationId)?.values() ?? [])].at(-1);
    const watch = this.#watches.get(destinationId);
    if (check === undefined) {
      clearTimeout(watch?.timer);
      this.#watches.delete(destinationId);
      return;
    }
    const text = JSON.stringify(check);
    if (watch?.text === text) return;
    clearTimeout(watch?.timer);
    const next: Watch = { check, text, timer: undefined, finding: watch?.finding ?? null };
    this.#watches.set(destinationId, next);
    const firstMs = Math.random() * Math.min(firstWithinMs, check.intervalSeconds * 1000);
    this.#schedule(destinationId, next, watch === undefined ? firstMs : 0);
  }

  #schedule(destinationId: string, watch: Watch, afterMs: number): void {
    watch.timer = setTimeout(() => void this.#run(destinationId, watch), afterMs).unref();
  }

  async #run(destinationId: string, watch: Watch): Promise<void> {
    await this.#takePlace();
    try {
      if (this.#watches.get(destinationId) !== watch) return;
      const cause = await this.#check(watch.check);
      if (this.#watches.get(destinationId) !== watch) return;
      this.#note(destinationId, watch, cause);
      const intervalMs = watch.check.intervalSeconds * 1000;
      this.#schedule(destinationId, watch, intervalMs * (0.8 + Math.random() * 0.2));
    } finally {
      this.#leavePlace();
    }
  }

  /** Why the resource is not well; null when it is. */
  async #check({ kind, target, http, intervalSeconds }: HealthCheck): Promise<string | null> {
    const seconds = Math.min(
      target.connectTimeoutSeconds || checkSecondsMax,
      checkSecondsMax,
      Math.max(1, intervalSeconds),
    );
    const { tls: _tls, ...plain } = target;
    const trial: Trial = {
      target: { ...(kind === 'tcp' ? plain : target), connectTimeoutSeconds: seconds },
      http: kind === 'http' ? http : null,
      isWell: (status) => status >= 200 && status < 400,
    };
    const limit = AbortSignal.timeout(seconds * 1000 + 1_000);
    try {
      const signal = AbortSignal.any([this.#abort.signal, limit]);
      const last = (await tryResource(this.#parts.resource, trial, signal)).at(-1);
      return last === undefined || last.ok ? null : last.text;
    } catch (error) {
      return limit.aborted ? `no answer within ${seconds} s` : `the client failed: ${errorText(error)}`;
    }
  }

  #note(destinationId: string, watch: Watch, fault: string | null): void {
    const former = watch.finding;
    const cause = fault === null ? null : fault.slice(0, causeMax);
    const ok = cause === null;
    if (former !== null && former.ok === ok && former.cause === cause) return;
    const since = former !== null && former.ok === ok ? former.since : new Date().toISOString();
    watch.finding = { destinationId, ok, since, cause };
    if (former?.ok !== ok) {
      const { host, port } = watch.check.target;
      const about = { destinationId, host, port, check: watch.check.kind };
      if (ok) this.#parts.logger.info(about, 'a resource is well');
      else this.#parts.logger.warn(about, `a resource is not well: ${cause}`);
    }
    this.#tell([watch.finding]);
  }

  #tell(items: HealthFinding[]): void {
    for (const session of this.#sessions) session.sendControl({ kind: 'health', items });
  }

  #tellAll(): void {
    const items = [...this.#watches.values()].flatMap(({ finding }) => (finding === null ? [] : [finding]));
    for (let from = 0; from < items.length; from += healthFindingsMax)
      this.#tell(items.slice(from, from + healthFindingsMax));
  }

  async #takePlace(): Promise<void> {
    if (this.#running >= checksAtOnceMax) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
  }

  /** A place is handed on to who waits. */
  #leavePlace(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }
}
