/**
 * Checks resources for the platform, each once however many nodes want it, and tells every node what changed. A node that
 * comes later is told what was found so far, and all of them once a minute, so that nothing that got lost stays so.
 *
 *     nodes ──set──► wanted ──the one that spoke last──► Checks (libs/dial) ──► told to every node
 */
import { type HealthCheck, type HealthFinding, healthChecksMax } from '@postern/contracts';
import { type Check, Checks, type Finding, type ResourceParts } from '@postern/dial';
import type { Logger } from '@postern/telemetry';
import type { Session } from '@postern/tunnel';

const repeatMs = 60_000;
/** A cause may have a thousand characters, of six bytes each in JSON, and a frame has 64 KiB. */
const findingsPerFrame = 8;

/** What it dials by. */
export interface HealthCheckerParts {
  readonly resource: Omit<ResourceParts, 'onStep'>;
  readonly logger: Logger;
}

/** One for each gateway. */
export class HealthChecker {
  readonly #parts: HealthCheckerParts;
  /** Which nodes want a destination checked, the one that said so last at the end. */
  readonly #wanted = new Map<string, Map<Session, HealthCheck>>();
  readonly #checks: Checks;
  readonly #sessions = new Set<Session>();
  readonly #repeat: NodeJS.Timeout;
  #closed = false;

  constructor(parts: HealthCheckerParts) {
    this.#parts = parts;
    this.#checks = new Checks({
      resource: () => parts.resource,
      onFinding: (destinationId, finding, check, turned) => {
        if (turned) this.#log(destinationId, finding, check);
        this.#tell([{ destinationId, ...finding }]);
      },
    });
    this.#repeat = setInterval(() => this.#tellAll(), repeatMs).unref();
  }

  /** How many destinations are checked, for status lines. */
  get size(): number {
    return this.#checks.size;
  }

  /** A node wants a destination checked so, or (null) no longer. */
  set(session: Session, destinationId: string, check: HealthCheck | null): void {
    if (this.#closed) return;
    this.#sessions.add(session);
    const wanted = this.#wanted.get(destinationId) ?? new Map<Session, HealthCheck>();
    wanted.delete(session);
    if (check !== null) wanted.set(session, check);
    if (wanted.size === 0) this.#wanted.delete(destinationId);
    else if (this.#wanted.size < healthChecksMax || this.#wanted.has(destinationId))
      this.#wanted.set(destinationId, wanted);
    this.#settle(destinationId);
    const found = this.#checks.finding(destinationId);
    if (check !== null && found !== null)
      session.sendControl({ kind: 'health', items: [{ destinationId, ...found }] });
  }

  /** Checks everything anew within a second: an access list is another. */
  again(): void {
    for (const destinationId of this.#wanted.keys()) this.#checks.again(destinationId);
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
    this.#closed = true;
    this.#checks.close();
    clearInterval(this.#repeat);
    this.#wanted.clear();
    this.#sessions.clear();
  }

  /** What runs follows what is wanted; where nodes differ, the one that spoke last counts. */
  #settle(destinationId: string): void {
    this.#checks.set(destinationId, [...(this.#wanted.get(destinationId)?.values() ?? [])].at(-1) ?? null);
  }

  #log(destinationId: string, { ok, cause }: Finding, { kind, target: { host, port } }: Check): void {
    const about = { destinationId, host, port, check: kind };
    if (ok) this.#parts.logger.info(about, 'a resource is well');
    else this.#parts.logger.warn(about, `a resource is not well: ${cause}`);
  }

  #tell(items: HealthFinding[]): void {
    for (const session of this.#sessions) session.sendControl({ kind: 'health', items });
  }

  #tellAll(): void {
    const items = [...this.#checks.findings()].map(([destinationId, found]) => ({ destinationId, ...found }));
    for (let from = 0; from < items.length; from += findingsPerFrame)
      this.#tell(items.slice(from, from + findingsPerFrame));
  }
}
