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
  type CallFailure,
  type DialAction,
  KeeperDriver,
  type KeeperHands,
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
  /** It is stopped with its process. */
  readonly #never = new AbortController().signal;
  readonly #keeper: KeeperDriver;
  #tunnelId: number | null = null;

  constructor(parts: ClientParts) {
    this.#parts = parts;
    this.#keeper = new KeeperDriver(
      { tunnels: 1, transport: 'direct', reconnect: -1 },
      {
        call: () => this.#call(),
        explainCall: (error) => this.#explainCall(error),
        dial: (action) => this.#dial(action),
        explainDial: (_action, error) => this.#explainDial(error),
        onUp: (id, session) => this.#handleUp(id, session),
        drain: () => {},
        onUsedUp: () => {},
      },
    );
  }

  start(): void {
    this.#keeper.step({ kind: 'wake' });
  }

  /** Its tunnel is over. */
  handleClose(): void {
    const id = this.#tunnelId;
    this.#tunnelId = null;
    if (id !== null) this.#keeper.step({ kind: 'tunnelDown', id });
  }

  async #call(): ReturnType<KeeperHands['call']> {
    const { gatewayId, token, dialer, inTurn } = this.#parts;
    const { bootId, publicKey } = this.#identity;
    const body = { gatewayId, bootId, publicKey, facts };
    const { grant } = await inTurn(() => callPlatform(dialer, body, token, this.#never));
    return grant;
  }

  #explainCall(error: unknown): CallFailure {
    this.#parts.onFailure(`call: ${codeOf(error)}`);
    return { cause: 'unanswered', retryAfterMs: error instanceof ClientError ? error.retryAfterMs : 0 };
  }

  #dial(action: DialAction): Promise<Session> {
    const { ticket, avoid } = action;
    const { gatewayId, dialer, endpoint, inTurn } = this.#parts;
    const own = { gatewayId, identity: this.#identity, facts, ownRules: null, onWelcome: () => {} };
    return inTurn(() => openTunnel(dialer, action, endpoint, { ...own, ticket, avoid }, this.#never));
  }

  #explainDial(error: unknown): ReturnType<typeof dialFailure> {
    this.#parts.onFailure(`dial: ${codeOf(error)}`);
    return dialFailure(error);
  }

  #handleUp(id: number, session: Session): void {
    this.#tunnelId = id;
    this.#parts.onUp(session, this);
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
