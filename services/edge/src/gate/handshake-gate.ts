/**
 * The bound on connections that have not yet shown what they are for: half-open TLS and tunnel handshakes, first
 * calls under way. Each holds a pass from accept until it has shown it or is over.
 *
 * When the gate is full the oldest of all goes, when one address holds its share its own oldest goes: an honest
 * handshake takes milliseconds, so whoever has waited longest is the one that never finishes, and 5,000 of those
 * cannot shut out the next client. Where a connection is at a gateway's front, the gateway has half of the places: who
 * floods one front, from however many addresses, cuts no handshake at another gateway's. Passes enter in order and all
 * wait equally long, so the first is always the oldest and one timer serves them all.
 */
import { Multimap } from '@postern/tunnel';
import { addressGroup, halfOf } from '@postern/share';

/** Why a connection was cut at the gate. */
export type Eviction = 'timeout' | 'full' | 'address full' | 'gateway full';

/** Given at accept. `leave` when the connection has shown what it is for, or has ended; twice is harmless. */
export interface Pass {
  leave(): void;
}

/** The bounds of one gate. */
export interface HandshakeGateOptions {
  max: number;
  perAddressMax: number;
  timeoutMs: number;
}

interface Entry {
  group: string | null;
  gatewayId: string | null;
  expiresAt: number;
  cut: (cause: Eviction) => void;
}

/** One gate for each port. */
export class HandshakeGate {
  readonly #options: HandshakeGateOptions;
  readonly #onEvict: (cause: Eviction) => void;
  readonly #entries = new Set<Entry>();
  readonly #byGroup = new Multimap<Entry>();
  readonly #byGateway = new Multimap<Entry>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HandshakeGateOptions, onEvict: (cause: Eviction) => void = () => {}) {
    this.#options = options;
    this.#onEvict = onEvict;
  }

  /** How many are inside. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Lets one in; `cut` is called at most once, when it has to go. Without an address it counts among all, and in no
   * address's share; so it does where nobody knows yet for which gateway it comes.
   */
  enter(address: string | null, cut: (cause: Eviction) => void, gatewayId: string | null = null): Pass {
    const { max, perAddressMax, timeoutMs } = this.#options;
    const group = address === null ? null : addressGroup(address);
    if (group !== null && this.#byGroup.count(group) >= perAddressMax)
      this.#evictFirst(this.#byGroup.get(group), 'address full');
    if (gatewayId !== null && this.#byGateway.count(gatewayId) >= halfOf(max))
      this.#evictFirst(this.#byGateway.get(gatewayId), 'gateway full');
    if (this.#entries.size >= max) this.#evictFirst(this.#entries, 'full');
    const entry: Entry = { group, gatewayId, expiresAt: performance.now() + timeoutMs, cut };
    this.#entries.add(entry);
    if (group !== null) this.#byGroup.add(group, entry);
    if (gatewayId !== null) this.#byGateway.add(gatewayId, entry);
    this.#arm();
    return { leave: () => this.#remove(entry) };
  }

  /** Cuts all that are inside. */
  close(): void {
    for (const entry of this.#entries) this.#evict(entry, 'full');
  }

  #evictFirst(entries: Iterable<Entry>, cause: Eviction): void {
    for (const entry of entries) {
      this.#evict(entry, cause);
      return;
    }
  }

  #evict(entry: Entry, cause: Eviction): void {
    this.#remove(entry);
    this.#onEvict(cause);
    entry.cut(cause);
  }

  #remove(entry: Entry): void {
    if (!this.#entries.delete(entry)) return;
    if (this.#entries.size === 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
    if (entry.group !== null) this.#byGroup.delete(entry.group, entry);
    if (entry.gatewayId !== null) this.#byGateway.delete(entry.gatewayId, entry);
  }

  /** One timer at most; it finds out by itself who is due and when the next one is. */
  #arm(): void {
    if (this.#timer !== undefined) return;
    const first = this.#entries.values().next();
    if (first.done) return;
    const waitMs = Math.max(1, Math.ceil(first.value.expiresAt - performance.now()));
    this.#timer = setTimeout(() => this.#expire(), waitMs);
    this.#timer.unref();
  }

  #expire(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const entry of this.#entries) {
      if (entry.expiresAt > now) break;
      this.#evict(entry, 'timeout');
    }
    this.#arm();
  }
}
