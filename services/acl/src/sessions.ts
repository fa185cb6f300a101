/**
 * The first call of a client: whether it may connect, and the tickets that say so to nodes. Checked in this order, so
 * that each refusal names the first thing to mend: the gateway is known, it is enabled, a token is shown where one
 * is asked for, the token is right, not revoked, not expired. A token that is shown is checked also where none is
 * asked for. No ticket outlives its token.
 */
import { SignJWT, calculateJwkThumbprint } from 'jose';
import { clientIdOf, ticketLifeSeconds, type ClientPublicKey } from '@postern/contracts';
import type { TokenDocument } from './document.ts';
import { gatewayDisabled, tokenMissing } from './errors.ts';
import type { Policies } from './policies.ts';
import type { TicketKeys } from './ticket-keys.ts';
import type { Tokens } from './tokens.ts';

/** What a client shows. */
export interface SessionRequest {
  gatewayId: string;
  tokenHash: string | null;
  publicKey: ClientPublicKey;
}

/** What it gets. */
export interface Session {
  clientId: string;
  ticket: string;
  ticketExpiresAt: string;
  reserveTicket: string;
  reserveTicketExpiresAt: string;
  gateway: { id: string; name: string };
}

/** Opens sessions. */
export class Sessions {
  readonly #policies: Policies;
  readonly #tokens: Tokens;
  readonly #keys: TicketKeys;
  readonly #now: () => number;

  constructor(parts: { policies: Policies; tokens: Tokens; keys: TicketKeys; now: () => number }) {
    this.#policies = parts.policies;
    this.#tokens = parts.tokens;
    this.#keys = parts.keys;
    this.#now = parts.now;
  }

  /** Opens one, or throws one of the refusals of `acl.session.open`. */
  async open({ gatewayId, tokenHash, publicKey }: SessionRequest): Promise<Session> {
    const policy = await this.#policies.find(gatewayId, 403);
    if (!policy.enabled) throw gatewayDisabled(gatewayId);
    if (tokenHash === null && policy.requireToken) throw tokenMissing();
    const token = tokenHash === null ? null : await this.#tokens.recognise(gatewayId, tokenHash);
    const clientId = clientIdOf(gatewayId, await calculateJwkThumbprint(publicKey));
    const ticket = (use: 'session' | 'reserve') => this.#sign(use, { gatewayId, clientId, token, publicKey });
    const [session, reserve] = await Promise.all([ticket('session'), ticket('reserve')]);
    return {
      clientId,
      ticket: session.text,
      ticketExpiresAt: session.expiresAt,
      reserveTicket: reserve.text,
      reserveTicketExpiresAt: reserve.expiresAt,
      gateway: { id: gatewayId, name: policy.name },
    };
  }

  async #sign(
    use: 'session' | 'reserve',
    facts: { gatewayId: string; clientId: string; token: TokenDocument | null; publicKey: ClientPublicKey },
  ): Promise<{ text: string; expiresAt: string }> {
    const { kid, privateKey } = await this.#keys.signingKey();
    const { token, publicKey } = facts;
    const issuedAt = Math.floor(this.#now() / 1000);
    const tokenEnds = token?.expiresAt == null ? Infinity : Math.floor(Date.parse(token.expiresAt) / 1000);
    const expires = Math.min(issuedAt + ticketLifeSeconds[use], tokenEnds);
    const { kty, crv, x } = publicKey;
    const claims = { gw: facts.gatewayId, tok: token?.id ?? null, use, cnf: { jwk: { kty, crv, x } } };
    const text = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'EdDSA', kid, typ: 'JWT' })
      .setIssuer('postern-acl')
      .setAudience('postern-tunnel')
      .setSubject(facts.clientId)
      .setIssuedAt(issuedAt)
      .setExpirationTime(expires)
      .sign(privateKey);
    return { text, expiresAt: new Date(expires * 1000).toISOString() };
  }
}
