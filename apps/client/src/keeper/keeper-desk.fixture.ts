/** A `TunnelKeeper` driven by hand, for tests: the time and all that happens to it are theirs. */
import assert from 'node:assert/strict';
import type { NodeAddress } from '@postern/contracts';
import type { Grant } from '../platform/grant.ts';
import type { DialFailure, KeeperAction, KeeperEvent, KeeperOptions } from './keeper-event.ts';
import { TunnelKeeper } from './tunnel-keeper.ts';

/** Where a node listens. */
export const address = (node: string, zone = ''): NodeAddress => ({
  node,
  zone,
  host: '127.0.0.1',
  port: 9000,
  serverName: node,
});
/** What a first call gave; the number tells one from the other. */
export const grant = (nodes: NodeAddress[], number = 1): Grant => ({
  ticket: `ticket-${number}`,
  ticketLifeMs: 300_000,
  reserveTicket: `reserve-${number}`,
  reserveLifeMs: 3_600_000,
  nodes,
});

/** Drives a keeper by hand: `take` gives the next action of a kind and fails when there is none. */
export class Desk {
  readonly keeper: TunnelKeeper;
  now = 0;
  pending: KeeperAction[] = [];

  constructor(options: Partial<KeeperOptions> = {}) {
    this.keeper = new TunnelKeeper({
      tunnels: 2,
      transport: 'auto',
      reconnect: -1,
      random: () => 0.5,
      ...options,
    });
    this.step({ kind: 'wake' });
  }

  step(event: KeeperEvent): void {
    this.pending.push(...this.keeper.step(event, this.now));
  }

  take<Kind extends KeeperAction['kind']>(kind: Kind): KeeperAction & { kind: Kind } {
    const index = this.pending.findIndex((action) => action.kind === kind);
    assert.notEqual(index, -1, `an action ${kind} among ${JSON.stringify(this.pending)}`);
    return this.pending.splice(index, 1)[0] as KeeperAction & { kind: Kind };
  }

  /** Lets time pass to the next wake until something is to be done. */
  wait(): number {
    const from = this.now;
    for (let steps = 0; this.pending.length === 0; steps += 1) {
      assert(this.keeper.wakeAt !== null && steps < 100, 'the keeper wants to be woken');
      this.now = Math.max(this.now, this.keeper.wakeAt);
      this.step({ kind: 'wake' });
    }
    return this.now - from;
  }

  answer(nodes: NodeAddress[], number = 1): void {
    this.take('call');
    this.step({ kind: 'callAnswered', grant: grant(nodes, number) });
  }

  up(node: string, dial = this.take('dial')): number {
    this.step({ kind: 'dialUp', id: dial.id, node });
    return dial.id;
  }

  fail(cause: DialFailure = 'path', dial = this.take('dial'), retryAfterMs = 0): void {
    this.step({ kind: 'dialFailed', id: dial.id, cause, retryAfterMs });
  }

  failCall(cause: 'refused' | 'unanswered' = 'unanswered', retryAfterMs = 0): void {
    this.take('call');
    this.step({ kind: 'callFailed', cause, retryAfterMs });
  }
}
