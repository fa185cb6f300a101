/**
 * What a change does to what runs (docs of the admin API, "What happens to what runs"). Tunnels that may no longer be up
 * are closed at once, the others get the new access list, and every caller of the gateway is judged again.
 *
 * The order matters. Callers whose client keeps no valid tunnel are reset first, while there is still a way to tell the
 * client; then all tunnels of the revoked token are retired together, so that a stream which moves does not move to
 * the next one that closes; then they close.
 */
import type { Policy, TunnelPresence } from '@postern/contracts';
import { setNewest } from '@postern/share';
import type { Logger } from '@postern/telemetry';
import type { Session, Stream } from '@postern/tunnel';
import type { Callers } from './callers.ts';
import type { CloudStreams } from './cloud/cloud-streams.ts';
import { EdgeError, type CallerCause, type InvalidCode } from './errors.ts';
import type { Relays } from './fleet/relays.ts';
import { rowOf } from './gateway-totals.ts';
import { whyInvalid } from './client/ticket-verifier.ts';
import type { Tunnel, Tunnels } from './client/tunnels.ts';

/** What the guard watches over. */
export interface GuardParts {
  tunnels: Tunnels;
  callers: Callers;
  cloudStreams: CloudStreams;
  /** Which clients have tunnels at other nodes too. */
  relays: Pick<Relays, 'hasValidElsewhere' | 'clientsElsewhere' | 'tokensOf'>;
  /** How many streams that end here have their other end at a client. */
  streamCountOf(gatewayId: string, clientId: string): number;
  /** Ends what this node relays for others over a session. */
  resetRelayed(session: Session, text: string): void;
  policy(gatewayId: string): Policy | undefined;
  /** The epoch of the policies that this node has. */
  epoch(): string;
  /** Resolves when a client has taken what it was told, or is not waited for any longer. */
  untilTaken(tunnel: Tunnel): Promise<void>;
  logger: Logger;
}

/** Enforces what has changed on what runs. */
export class Guard {
  readonly #parts: GuardParts;
  /** The start of each client that gave way last. A program that has ended does not come back: one that does, runs. */
  readonly #formerBoots = new Map<string, string>();
  /** How often a tunnel came of a start that had given way, by gateway: two programs have one identity. */
  readonly identityConflicts = new Map<string, number>();
  /** Access lists that clients were sent and may not have taken yet, with their gateways. */
  readonly #underWay = new Map<Promise<void>, string>();

  constructor(parts: GuardParts) {
    this.#parts = parts;
  }

  /** The policy of a gateway is new, has changed, or is gone. */
  handlePolicy(gatewayId: string): void {
    const { tunnels } = this.#parts;
    this.#judgeAgain(gatewayId);
    const policy = this.#parts.policy(gatewayId);
    const invalid = new Map<Tunnel, EdgeError<InvalidCode>>();
    for (const tunnel of tunnels.of(gatewayId)) {
      const fault = whyInvalid(policy, tunnel.tokenId);
      if (fault !== null) invalid.set(tunnel, fault);
      else if (policy !== undefined) this.#pushAccessList(tunnel, policy);
    }
    this.#closeAll(invalid);
    for (const clientId of this.#parts.relays.clientsElsewhere(gatewayId))
      this.#endWithoutValid(gatewayId, clientId);
  }

  /** Resolves when every client of a gateway (undefined: of all) has its access list, or is not waited for any longer. */
  async listsTaken(of: string | null | undefined): Promise<void> {
    const awaited = [...this.#underWay].filter(([, gatewayId]) => of === undefined || gatewayId === of);
    await Promise.all(awaited.map(([taken]) => taken));
  }

  /** Destinations have changed or are gone; a gateway's `enabled` comes this way too. */
  handleRoutes(gatewayId: string): void {
    this.#judgeAgain(gatewayId);
  }

  /** A tunnel has come up: the policy may have changed during its handshake, and another boot of its client ends. */
  handleTunnel(tunnel: Tunnel): void {
    const fault = whyInvalid(this.#parts.policy(tunnel.gatewayId), tunnel.tokenId);
    if (fault !== null) {
      this.#closeAll(new Map([[tunnel, fault]]));
      return;
    }
    const { gatewayId, clientId, bootId } = tunnel;
    if (this.#formerBoots.get(`${gatewayId}/${clientId}`) === bootId) {
      const row = rowOf(gatewayId, this.identityConflicts);
      this.identityConflicts.set(row, (this.identityConflicts.get(row) ?? 0) + 1);
      this.#note('warn', tunnel, sharedIdentity);
    }
    this.#endOtherBoots(gatewayId, clientId, bootId);
  }

  /**
   * A tunnel has come up at another node. A later boot of a client ends the former one's tunnels and streams here too,
   * unless what is here came up after it: then this node's own announcement does the same there. One that may not be up
   * takes nobody's place.
   */
  handleTunnelElsewhere({ gatewayId, clientId, bootId, tokenId, connectedAt }: TunnelPresence): void {
    // That node is cut off from the bus, and let in who shows a reserve ticket.
    if (whyInvalid(this.#parts.policy(gatewayId), tokenId) !== null)
      return this.#endWithoutValid(gatewayId, clientId);
    const since = Date.parse(connectedAt);
    const others = this.#parts.tunnels
      .ofClient(gatewayId, clientId)
      .filter((tunnel) => tunnel.bootId !== bootId);
    if (others.some(({ session }) => session.connectedAt.getTime() > since)) return;
    // Thousands of tunnels come up at once, and most clients have nothing here: not all streams are looked at for each.
    if (this.#parts.streamCountOf(gatewayId, clientId) > 0) {
      this.#parts.callers.endFormerBoot(gatewayId, clientId, bootId);
      this.#parts.cloudStreams.endFormerBoot(gatewayId, clientId, bootId);
    }
    this.#endOtherBoots(gatewayId, clientId, bootId);
  }

  /** A client has opened a stream to this node by way of another. */
  handleRelayed({ scope, peer }: Stream): void {
    this.#endWithoutValid(scope, peer.id);
  }

  /** An operator ends a client: it is told, and does not come back by itself. */
  endClient(gatewayId: string, clientId: string, reason: string): void {
    const { tunnels, logger } = this.#parts;
    const ended = tunnels.ofClient(gatewayId, clientId);
    const error = new EdgeError('EDGE_CLIENT_ENDED', reason === '' ? 'an operator ended the client' : reason);
    if (ended.length > 0) logger.info({ gatewayId, clientId, reason }, 'an operator ended a client');
    for (const tunnel of ended) tunnel.retire();
    this.#endStreams(gatewayId, clientId, { code: 'EDGE_CLIENT_ENDED', text: error.message, end: 'edge' });
    for (const tunnel of ended) {
      tunnel.session.sendControl({ kind: 'end', reason });
      tunnel.close(error);
    }
  }

  #closeAll(invalid: ReadonlyMap<Tunnel, EdgeError<InvalidCode>>): void {
    for (const tunnel of invalid.keys()) tunnel.retire();
    for (const [tunnel, fault] of invalid) {
      if (this.#hasValidTunnel(tunnel)) continue;
      const cause: CallerCause = { code: fault.code, text: fault.message, end: 'edge' };
      this.#endStreams(tunnel.gatewayId, tunnel.clientId, cause);
      this.#parts.resetRelayed(tunnel.session, `${fault.code}: ${fault.message}`);
    }
    for (const [tunnel, fault] of invalid) {
      const { gatewayId, clientId, tokenId, id: tunnelId } = tunnel;
      this.#parts.logger.info(
        { gatewayId, clientId, tokenId, tunnelId, code: fault.code },
        `a tunnel is closed: ${fault.message}`,
      );
      tunnel.close(fault);
    }
  }

  /**
   * Ends what runs here of a client all of whose tunnels are by tokens that are not valid: the node where they end does the
   * same, but one that is cut off from the bus has not heard of it, and passes on what it has for as long.
   */
  #endWithoutValid(gatewayId: string, clientId: string): void {
    if (this.#parts.streamCountOf(gatewayId, clientId) === 0) return;
    const policy = this.#parts.policy(gatewayId);
    const faults = this.#parts.relays
      .tokensOf(gatewayId, clientId)
      .map((tokenId) => whyInvalid(policy, tokenId));
    const [fault = null] = faults;
    if (fault === null || faults.includes(null)) return;
    this.#endStreams(gatewayId, clientId, { code: fault.code, text: fault.message, end: 'edge' });
  }

  #judgeAgain(gatewayId: string): void {
    this.#parts.callers.judgeAgain(gatewayId);
    this.#parts.cloudStreams.judgeAgain(gatewayId);
  }

  #endStreams(gatewayId: string, clientId: string, cause: CallerCause): void {
    this.#parts.callers.end(gatewayId, clientId, cause);
    this.#parts.cloudStreams.end(gatewayId, clientId, cause);
  }

  /** Whether the client has another tunnel to which its streams can move. */
  #hasValidTunnel({ gatewayId, clientId, bootId }: Tunnel): boolean {
    const here = this.#parts.tunnels
      .ofClient(gatewayId, clientId)
      .some((other) => other.usable && other.bootId === bootId);
    return here || this.#parts.relays.hasValidElsewhere(gatewayId, { id: clientId, bootId });
  }

  #endOtherBoots(gatewayId: string, clientId: string, bootId: string): void {
    for (const tunnel of this.#parts.tunnels.ofClient(gatewayId, clientId)) {
      if (tunnel.bootId === bootId) continue;
      setNewest(this.#formerBoots, `${gatewayId}/${clientId}`, tunnel.bootId, formerBootsMax);
      this.#note('info', tunnel, 'the client was started anew; the former tunnel ends');
      tunnel.retire();
      tunnel.close(
        new EdgeError('EDGE_CLIENT_RESTARTED', 'another start of this client has taken its place'),
      );
    }
  }

  /** Clients cause these at will. */
  #note(level: 'info' | 'warn', { gatewayId, clientId, id: tunnelId }: Tunnel, message: string): void {
    const counted = this.#parts.tunnels.linesOf(gatewayId).take();
    if (counted !== null) this.#parts.logger[level]({ gatewayId, clientId, tunnelId, ...counted }, message);
  }

  #pushAccessList(tunnel: Tunnel, { accessListRevision: revision, accessList: rules }: Policy): void {
    const epoch = this.#parts.epoch();
    const sent = tunnel.accessListSent;
    if (sent.epoch === epoch && sent.revision === revision) return;
    tunnel.accessListSent = { epoch, revision };
    tunnel.session.sendControl({ kind: 'accessList', epoch, revision, rules });
    const taken = this.#parts.untilTaken(tunnel).finally(() => this.#underWay.delete(taken));
    this.#underWay.set(taken, tunnel.gatewayId);
  }
}

const formerBootsMax = 10_000;
const sharedIdentity =
  'two programs run with the identity of one client and end each other’s tunnels: give each a state folder of its own, not a copy';
