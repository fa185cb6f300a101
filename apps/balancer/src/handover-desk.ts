/**
 * Where the machine that holds the static addresses, and is told to stop, asks this one to pass on what belongs to it.
 *
 *   leaver                              this machine
 *     │ ── connects, from its own address ──► │  takes the rules (handover-rules.ts)
 *     │ ◄─────────────────────────── ready ── │
 *     │    gives the addresses away           │  has them a moment later
 *     │ ◄───────────────────────── holding ── │
 *     │ ── a line each second ──────────────► │
 *     │    ends, or is killed: closed         │  takes the rules back: what comes now is reset, as it should be
 *
 * Only the machines that the settings name are heard; they could take the addresses themselves. When several leave one
 * after the other, the last one that held the addresses gets what comes, and passes on what is not its own in its turn.
 */
import { once } from 'node:events';
import { BlockList, type Server, type Socket, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@postern/telemetry';
import type { BalancerOptions } from './config.ts';
import { passOnRules, withoutPassOnRules } from './handover-rules.ts';
import { addressesOn, plainAddress, staticAddresses } from './static-address.ts';
import { takeRules } from './system-network.ts';

/** A leaver that says nothing for so long is gone without a word. */
const silenceMs = 5_000;
const lookEveryMs = 10;

/** The desk of one machine. */
export class HandoverDesk {
  readonly #options: BalancerOptions;
  readonly #logger: Logger;
  readonly #peers = new BlockList();
  readonly #server: Server;
  /** In the order in which they asked; at most one for each peer. */
  readonly #leavers = new Map<string, Socket>();
  #refusal: string | null = null;

  constructor(options: BalancerOptions, logger: Logger) {
    this.#options = options;
    this.#logger = logger;
    for (const peer of options.peers) this.#peers.addAddress(plainAddress(peer));
    this.#server = createServer((socket) => this.#handle(socket));
    this.#server.on('error', (error) => logger.warn({ error }, 'nobody can ask this machine to pass on'));
  }

  /** Whose packets are passed on now, the last of them. */
  get leavers(): string[] {
    return [...this.#leavers.keys()];
  }

  /** Listens; a machine that cannot serves all the same. */
  async start(): Promise<void> {
    const { ownAddress, handoverPort, peers, virtualAddresses } = this.#options;
    if (ownAddress === undefined || [handoverPort, peers.length, virtualAddresses.length].includes(0)) return;
    this.#server.listen({ host: plainAddress(ownAddress).address, port: handoverPort });
    // An error is told where all are.
    await once(this.#server, 'listening').catch(() => undefined);
  }

  /** Refuses from now on, since this machine leaves itself; what it passes on already goes on. */
  refuse(reason: string): void {
    this.#refusal ??= reason;
  }

  close(): void {
    if (this.#server.listening) this.#server.close();
    for (const socket of this.#leavers.values()) socket.destroy();
    if (this.#leavers.size === 0) return;
    this.#leavers.clear();
    this.#takeRules();
  }

  #handle(socket: Socket): void {
    socket.on('error', () => {});
    const { remoteAddress: leaver = '', remoteFamily = '' } = socket;
    if (!this.#peers.check(leaver, remoteFamily === 'IPv6' ? 'ipv6' : 'ipv4')) return void socket.destroy();
    if (this.#refusal !== null) return void socket.end(`refused: ${this.#refusal}\n`);
    const former = this.#leavers.get(leaver);
    // Behind all others, and before the former connection is closed, which must not take the rules with it.
    this.#leavers.delete(leaver);
    this.#leavers.set(leaver, socket);
    former?.destroy();
    socket.once('close', () => this.#forget(leaver, socket));
    try {
      this.#takeRules();
    } catch (error) {
      this.#logger.warn({ error, leaver }, 'nothing can be passed on for a machine that leaves');
      return void socket.end(`refused: ${(error as Error).message}\n`);
    }
    this.#logger.info({ leaver }, 'what belongs to a machine that leaves is passed on to it');
    socket.setTimeout(silenceMs, () => socket.destroy());
    socket.resume();
    socket.write('ready\n');
    void this.#tellHolding(socket);
  }

  async #tellHolding(socket: Socket): Promise<void> {
    const { interface: device, virtualAddresses } = this.#options;
    while (!socket.destroyed && addressesOn(device, this.#options).length < virtualAddresses.length) {
      await delay(lookEveryMs);
    }
    if (!socket.destroyed) socket.write('holding\n');
  }

  #forget(leaver: string, socket: Socket): void {
    if (this.#leavers.get(leaver) !== socket) return;
    this.#leavers.delete(leaver);
    this.#logger.info({ leaver }, 'the machine that left is done');
    try {
      this.#takeRules();
    } catch (error) {
      this.#logger.warn({ error }, 'the rules of a handover stay');
    }
  }

  #takeRules(): void {
    const addresses = staticAddresses(this.#options);
    const leaver = this.leavers.at(-1);
    takeRules(
      leaver === undefined
        ? withoutPassOnRules(addresses)
        : passOnRules(this.#options.interface, addresses, plainAddress(leaver)),
    );
  }
}
