/**
 * Opens one gateway's tunnels, for its keeper and for nodes that want one: the first call, which says who this client is and
 * brings a ticket, the dial with it, and what it means when either fails. Makes the endpoint with the first answer, since
 * only then the client has a name.
 */
import assert from 'node:assert/strict';
import type { AccessRule } from '@postern/contracts';
import type { Logger } from '@postern/telemetry';
import type { Endpoint, Session } from '@postern/tunnel';
import { ClientError, isRefusal } from '../errors.ts';
import type { GatewayClientOptions } from '../gateway-options.ts';
import { callPlatform } from '../platform/connector.ts';
import type { Grant } from '../platform/grant.ts';
import { type HandshakeOptions, dialFailure } from '../platform/handshake.ts';
import { openTunnel, wayText } from '../platform/tunnel-opener.ts';
import type { AccessGuard } from '../resource/access-guard.ts';
import type { TokenWatch } from '../token-watch.ts';
import type { TroubleLog } from '../trouble-log.ts';
import type { CallFailure, DialAction } from './keeper-driver.ts';

/** The refusal that may pass by itself: the gateway can be enabled again. */
const gatewayDisabledCode = 'ACL_GATEWAY_DISABLED';

/** What it needs of the gateway's client. */
export interface TunnelSourceParts {
  options: Pick<GatewayClientOptions, 'gatewayId' | 'identity' | 'facts' | 'dialer' | 'onRefused'>;
  guard: AccessGuard;
  token: TokenWatch;
  trouble: TroubleLog;
  logger: Logger;
  makeEndpoint(clientId: string): Endpoint;
  /** Aborted: nothing is called or dialled any more. */
  signal: AbortSignal;
}

/** See the head of this file. */
export class TunnelSource {
  readonly #parts: TunnelSourceParts;
  #endpoint: Endpoint | null = null;
  #gatewayName: string | null = null;

  constructor(parts: TunnelSourceParts) {
    this.#parts = parts;
  }

  /** What the platform calls this client; null before the first answer. */
  get clientId(): string | null {
    return this.#endpoint?.self.id ?? null;
  }

  /** What the platform calls the gateway; null before the first answer. */
  get gatewayName(): string | null {
    return this.#gatewayName;
  }

  /** Whose the tunnels are. There is one as soon as there is a tunnel. */
  get endpoint(): Endpoint {
    assert(this.#endpoint !== null, 'a tunnel is an endpoint’s');
    return this.#endpoint;
  }

  /** Ends the tunnels that there are. */
  close(): void {
    this.#endpoint?.close();
  }

  /** Makes a first call; rejects with `ClientError`. */
  async call(): Promise<Grant> {
    const { options, token, signal } = this.#parts;
    const { gatewayId, identity, facts, dialer } = options;
    const body = { gatewayId, bootId: identity.bootId, publicKey: identity.publicKey, facts };
    const admission = await callPlatform(dialer, body, token.read(), signal);
    this.#gatewayName = admission.gateway.name;
    this.#endpoint ??= this.#parts.makeEndpoint(admission.clientId);
    if (this.#endpoint.self.id !== admission.clientId) {
      throw new ClientError(
        'CLIENT_ANSWER_MALFORMED',
        `the platform calls this client ${admission.clientId} now, and ${this.#endpoint.self.id} before`,
      );
    }
    options.onRefused(null);
    return admission.grant;
  }

  /** Tells why a first call failed, in the log too. */
  explainCall(error: unknown): CallFailure {
    const known = error instanceof ClientError ? error : null;
    const refused = known !== null && isRefusal(known);
    this.#parts.trouble.tell('the first call failed', error);
    this.#parts.options.onRefused(
      refused && known.platformCode !== gatewayDisabledCode ? known.message : null,
    );
    return { cause: refused ? 'refused' : 'unanswered', retryAfterMs: known?.retryAfterMs ?? 0 };
  }

  /** Opens one; rejects as `openTunnel` does. */
  async dial(action: DialAction): Promise<Session> {
    const { options, guard, signal } = this.#parts;
    const { id, ticket, avoid } = action;
    const { identity, facts, gatewayId, dialer } = options;
    const { ownRules } = guard;
    const onWelcome: HandshakeOptions['onWelcome'] = (_node, { accessList }) =>
      guard.setGatewayList(id, accessList);
    const handshake = { identity, gatewayId, ticket, facts, avoid, ownRules, onWelcome };
    try {
      const session = await openTunnel(dialer, action, this.endpoint, handshake, signal);
      // Read anew while the handshake was under way.
      if (guard.ownRules !== ownRules) tellOwnRules(session, guard.ownRules);
      return session;
    } catch (error) {
      guard.forgetTunnel(id);
      throw error;
    }
  }

  /** Tells why a dial failed, in the log too. */
  explainDial(action: DialAction, error: unknown): ReturnType<typeof dialFailure> {
    const { trouble, logger, options } = this.#parts;
    const failure = dialFailure(error);
    if (failure.cause === 'sameNode') logger.debug({ error }, 'a tunnel to another node was not found');
    else trouble.tell(`no tunnel by ${wayText(action, options.dialer)}`, error);
    return failure;
  }
}

/** Tells a node the owner's rules as they are now; null for none. */
export function tellOwnRules(session: Session, rules: readonly AccessRule[] | null): void {
  session.sendControl({ kind: 'ownRules', rules: rules === null ? null : [...rules] });
}
