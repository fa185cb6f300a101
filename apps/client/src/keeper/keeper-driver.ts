/**
 * Drives a `TunnelKeeper` in real time: wakes it when it wants to be woken, has its hands do what it decides, and tells it
 * what came of that. What a call or dial does, and what its failure means, is theirs.
 *
 *     step(event) ──► keeper ──► call, dial, drain, usedUp ──► hands
 *                        └◄── answered, up, failed ◄─────────────┘
 */
import type { Session } from '@postern/tunnel';
import type { Grant } from '../platform/grant.ts';
import type { DialFailure, KeeperAction, KeeperEvent, KeeperOptions } from './keeper-event.ts';
import { TunnelKeeper } from './tunnel-keeper.ts';

/** What is to be dialled. */
export type DialAction = KeeperAction & { kind: 'dial' };

/** Why a first call brought no ticket. */
export interface CallFailure {
  readonly cause: 'refused' | 'unanswered';
  readonly retryAfterMs: number;
}

/** Who does it. After `end` nothing is asked any more, but what is under way may still end. */
export interface KeeperHands {
  call(): Promise<Grant>;
  explainCall(error: unknown): CallFailure;
  dial(action: DialAction): Promise<Session>;
  explainDial(action: DialAction, error: unknown): { cause: DialFailure; retryAfterMs: number };
  /** A tunnel is up; the keeper hears of it right after. */
  onUp(id: number, session: Session): void;
  drain(id: number): void;
  onUsedUp(): void;
}

/** See the head of this file. */
export class KeeperDriver {
  readonly #keeper: TunnelKeeper;
  readonly #hands: KeeperHands;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(options: Omit<KeeperOptions, 'random'>, hands: KeeperHands) {
    this.#keeper = new TunnelKeeper({ ...options, random: Math.random });
    this.#hands = hands;
  }

  /** Tells the keeper what happened; the first is `wake`. */
  step(event: KeeperEvent): void {
    for (const action of this.#keeper.step(event, performance.now())) this.#act(action);
    clearTimeout(this.#timer);
    const { wakeAt } = this.#keeper;
    if (wakeAt === null || this.#ended) return;
    const waitMs = Math.max(0, Math.ceil(wakeAt - performance.now()));
    this.#timer = setTimeout(() => this.step({ kind: 'wake' }), waitMs);
  }

  /** Nothing is called or dialled any more. Idempotent. */
  end(): void {
    this.#ended = true;
    this.#keeper.end();
    clearTimeout(this.#timer);
  }

  #act(action: KeeperAction): void {
    switch (action.kind) {
      case 'call':
        return void this.#call();
      case 'dial':
        return void this.#dial(action);
      case 'drain':
        return this.#hands.drain(action.id);
      case 'usedUp':
        return this.#hands.onUsedUp();
    }
  }

  async #call(): Promise<void> {
    let event: KeeperEvent;
    try {
      event = { kind: 'callAnswered', grant: await this.#hands.call() };
    } catch (error) {
      if (this.#ended) return;
      event = { kind: 'callFailed', ...this.#hands.explainCall(error) };
    }
    this.step(event);
  }

  async #dial(action: DialAction): Promise<void> {
    const { id } = action;
    try {
      const session = await this.#hands.dial(action);
      this.#hands.onUp(id, session);
      this.step({ kind: 'dialUp', id, node: session.peer.id });
    } catch (error) {
      if (this.#ended) return;
      this.step({ kind: 'dialFailed', id, ...this.#hands.explainDial(action, error) });
    }
  }
}
