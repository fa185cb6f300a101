/**
 * How a machine that holds the static addresses leaves without ending its connections: the others pass on to it what is
 * its own (handover-desk.ts), and it keeps the addresses on loopback, of which it tells nobody, so that its haproxy goes on
 * answering from them.
 *
 *   begin ──► keepalived stops: the addresses move ──► moved ──► haproxy drains ──► finish
 *
 * Where a part of that is not to be had, it is said once and the machine leaves as if there were no other.
 */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@postern/telemetry';
import type { BalancerOptions } from './config.ts';
import { BalancerError } from './errors.ts';
import { silenceRules, withoutPassOnRules, withoutSilenceRules } from './handover-rules.ts';
import { addressesOn, plainAddress, staticAddresses } from './static-address.ts';
import { addToLoopback, isSendingFrom, removeFromLoopback, takeRules } from './system-network.ts';

const readyWithinMs = 2_000;
const movedWithinMs = 5_000;
/** Callers hear of the new holder when it has the addresses and once more a second later (`garp_master_delay`). */
const callersKnowMs = 1_500;
const beatMs = 1_000;
/** What closed connections have left to send gets at least so long. */
const lastBytesMs = 1_000;
const lookEveryMs = 50;
const wordsMax = 500;

/** One handover, from this machine to another. */
export interface Handover {
  /** Resolves when another machine has the addresses and callers know, or when that takes too long. */
  moved(): Promise<void>;
  /** Waits until what was answered is sent, then takes everything back. */
  finish(deadline: number): Promise<void>;
}

/** Prepares for the addresses to move; null when this machine has none, or must leave without. */
export async function beginHandover(options: BalancerOptions, logger: Logger): Promise<Handover | null> {
  const addresses = addressesOn(options.interface, options);
  if (addresses.length === 0) return null;
  const peers: Peer[] = [];
  try {
    peers.push(...(await askPeers(options)));
    takeRules(silenceRules(addresses, plainAddress(options.ownAddress ?? '')));
    for (const address of addresses) addToLoopback(address);
  } catch (error) {
    logger.warn({ error }, 'connections end with this machine: nobody passes them on');
    for (const peer of peers) peer.leave();
    if (peers.length > 0) clearHandover(options, logger);
    return null;
  }
  return {
    async moved() {
      const late = delay(movedWithinMs, false, { ref: false });
      const isHeld = await Promise.race([Promise.any(peers.map(({ holding }) => holding)), late]).catch(
        () => false,
      );
      if (!isHeld) logger.warn('no other machine has said that it holds the static addresses');
      await delay(callersKnowMs);
    },
    async finish(deadline) {
      const until = Math.max(deadline, performance.now() + lastBytesMs);
      let unknown: unknown = null;
      const isSending = (): boolean => {
        try {
          return addresses.some(isSendingFrom);
        } catch (error) {
          // Something may be on its way yet.
          unknown = error;
          return true;
        }
      };
      while (performance.now() < until && isSending()) await delay(lookEveryMs);
      if (unknown !== null)
        logger.warn({ error: unknown }, 'whether all was sent could not be asked each time');
      for (const peer of peers) peer.leave();
      clearHandover(options, logger);
    },
  };
}

/** Takes back whatever this or a former run of the program has left of a handover. */
export function clearHandover(options: BalancerOptions, logger: Logger): void {
  const addresses = staticAddresses(options);
  if (addresses.length === 0) return;
  try {
    for (const address of addressesOn('lo', options)) removeFromLoopback(address);
    takeRules(withoutSilenceRules(addresses) + withoutPassOnRules(addresses));
  } catch (error) {
    logger.warn(
      { error },
      'connections do not outlive a stop of this machine: its network cannot be changed',
    );
  }
}

/** Another machine, for as long as it passes on. */
interface Peer {
  readonly holding: Promise<true>;
  leave(): void;
}

/** Those of the other machines that are ready to pass on; throws when none is. */
async function askPeers(options: BalancerOptions): Promise<Peer[]> {
  const { ownAddress, peers, handoverPort, listenHost } = options;
  if (ownAddress === undefined || peers.length === 0 || handoverPort === 0) {
    throw new BalancerError('BALANCER_HANDOVER_FAILED', 'ownAddress, peers and handoverPort say whom to ask');
  }
  if (listenHost !== '*' && listenHost !== '::') {
    throw new BalancerError(
      'BALANCER_HANDOVER_FAILED',
      'connections are known from listeners only where listenHost is *',
    );
  }
  const asked = await Promise.allSettled(
    peers.map((peer) => askPeer(plainAddress(peer).address, plainAddress(ownAddress).address, handoverPort)),
  );
  const ready = asked.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  const [refused] = asked.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
  if (ready.length === 0) throw refused;
  return ready;
}

async function askPeer(host: string, localAddress: string, port: number): Promise<Peer> {
  const socket = connect({ host, port, localAddress, timeout: readyWithinMs });
  const ready = Promise.withResolvers<void>();
  const holding = Promise.withResolvers<true>();
  holding.promise.catch(() => {});
  const fail = (words: string, cause?: unknown): void => {
    const error = new BalancerError('BALANCER_HANDOVER_FAILED', `${host}:${port} ${words}`, { cause });
    ready.reject(error);
    holding.reject(error);
    socket.destroy();
  };
  socket.once('timeout', () => fail('does not answer'));
  socket.once('error', (error) => fail('does not answer', error));
  socket.once('close', () => fail('is gone'));
  let said = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (said.startsWith('ready\n')) ready.resolve();
    if (said === 'ready\nholding\n') holding.resolve(true);
    else if (said.length > wordsMax || said.startsWith('refused')) fail(said.slice(0, wordsMax).trim());
  });
  await ready.promise;
  socket.setTimeout(0);
  const beat = setInterval(() => socket.write('\n'), beatMs);
  socket.once('close', () => clearInterval(beat));
  return { holding: holding.promise, leave: () => void socket.destroy() };
}
