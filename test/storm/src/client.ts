/**
 * A client without resources: the real one's keeper decides when it calls and dials, the real one's connector and opener do it, and
 * one endpoint holds the tunnels of all clients of a process. So a process holds thousands, and they behave as the
 * clients that users run: the same jitter, the same waits, the same obedience to Retry-After.
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import {
  ClientError,
  type Dialer,
  type Identity,
  type KeeperAction,
  type KeeperEvent,
  TunnelKeeper,
  callPlatform,
  dialFailure,
  openTunnel,
} from '@postern/client/internal';
import type { Endpoint, Session } from '@postern/tunnel';

/** What all clients of a process share. */
export interface ClientParts {
  readonly gatewayId: string;
  readonly token: string;
  readonly dialer: Dialer;
  readonly endpoint: Endpoint;
  /** Runs a call or a dial now, or when fewer are under way. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
  /** A call or a dial was refused or failed; why, in one word. */
  readonly onFailure: (cause: string) => void;
  readonly onUp: (session: Session, client: StormClient) => void;
}

const facts = { name: 'storm', version: '0', platform: 'test' };

/** One client with one tunnel. */
export class StormClient {
  readonly #parts: ClientParts;
  readonly #identity = newIdentity();
  readonly #abort = new AbortController();
  readonly #keeper = new TunnelKeeper({
    tunnels: 1,
    transport: 'direct',
    reconnect: -1,
    random: Math.random,
  });
  #timer: NodeJS.Timeout | undefined;
  #tunnel: { id: number; session: Session } | null = null;

  constructor(parts: ClientParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#step({ kind: 'wake' });
  }

  /** Its tunnel is over. */
  handleClose(): void {
    const id = this.#tunnel?.id;
    this.#tunnel = null;
    if (id !== undefined && !this.#abort.signal.aborted) this.#step({ kind: 'tunnelDown', id });
  }

  stop(): void {
    this.#keeper.end();
    clearTimeout(this.#timer);
    this.#abort.abort(new Error('the storm is over'));
  }

  #step(event: KeeperEvent): void {
    for (const action of this.#keeper.step(event, performance.now())) this.#act(action);
    clearTimeout(this.#timer);
    const { wakeAt } = this.#keeper;
    if (wakeAt === null) return;
    this.#timer = setTimeout(
      () => this.#step({ kind: 'wake' }),
      Math.max(0, Math.ceil(wakeAt - performance.now())),
    );
  }

  #act(action: KeeperAction): void {
    if (action.kind === 'call') void this.#call();
    if (action.kind === 'dial') void this.#dial(action);
  }

  async #call(): Promise<void> {
    const { gatewayId, token, dialer, inTurn, onFailure } = this.#parts;
    const { bootId, publicKey } = this.#identity;
    const { signal } = this.#abort;
    try {
      const body = { gatewayId, bootId, publicKey, facts };
      const { grant } = await inTurn(() => callPlatform(dialer, body, token, signal));
      this.#step({ kind: 'callAnswered', grant });
    } catch (error) {
      if (signal.aborted) return;
      onFailure(`call: ${codeOf(error)}`);
      const retryAfterMs = error instanceof ClientError ? error.retryAfterMs : 0;
      this.#step({ kind: 'callFailed', cause: 'unanswered', retryAfterMs });
    }
  }

  async #dial(action: KeeperAction & { kind: 'dial' }): Promise<void> {
    const { id, ticket, avoid } = action;
    const { gatewayId, dialer, endpoint, inTurn, onFailure, onUp } = this.#parts;
    const { signal } = this.#abort;
    const own = { gatewayId, identity: this.#identity, facts, ownRules: null, onWelcome: () => {} };
    try {
      const handshake = { ...own, ticket, avoid };
      const session = await inTurn(() => openTunnel(dialer, action, endpoint, handshake, signal));
      this.#tunnel = { id, session };
      onUp(session, this);
      this.#step({ kind: 'dialUp', id, node: session.peer.id });
    } catch (error) {
      if (signal.aborted) return;
      onFailure(`dial: ${codeOf(error)}`);
      this.#step({ kind: 'dialFailed', id, ...dialFailure(error) });
    }
  }
}

function newIdentity(): Identity {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { x = '' } = privateKey.export({ format: 'jwk' });
  return {
    publicKey: { kty: 'OKP', crv: 'Ed25519', x },
    thumbprint: createHash('sha256').update(x).digest('base64url'),
    bootId: randomBytes(16).toString('base64url'),
    file: null,
    fault: null,
    sign: (text) => sign(null, Buffer.from(text), privateKey).toString('base64url'),
    close: () => {},
  };
}

/** The platform's own code where it gave one, else the client's. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const told = /\b(EDGE|ACL|BUS)_[A-Z_]+/.exec(error.message)?.[0];
  return told ?? ('code' in error ? String(error.code) : error.name);
}
