/**
 * How a session begins (docs/PROTOCOL.md, "Handshake"): one frame at a time, each end knows which may come next, and the
 * whole has a deadline. Who may begin is judged by what the process brings (`AcceptHandshake`, `ConnectHandshake`).
 *
 *      accepting end ──HELLO──► dialling end ──HELLO──► accepting end ──WELCOME──► both are up
 *                                                             └──GOAWAY: refused──► closed
 *
 * It ends with a call of `establish`, or with the session; `accept` and `connect` reject with what that was closed for.
 */
import type { Clock } from '../clock.ts';
import { brokenProtocol, GoAwayCode, TunnelError } from '../error.ts';
import { decodeGoAway, decodeJson, encodeBody, FrameType } from '../frame/frame.ts';
import type { Limits } from '../limit.ts';
import type { Peer } from './peer.ts';
import type { Session } from './session.ts';

/** What the accepting end brings to a handshake. */
export interface AcceptHandshake {
  /** This end's HELLO, sent at once. */
  hello: object;
  /** Judges the peer's HELLO. What it throws is sent to the peer as the reason: `CODE: message` where it has a `code`. */
  authenticate(hello: unknown): Promise<{ peer: Peer; welcome: object }>;
}

/** What the dialling end brings to a handshake. */
export interface ConnectHandshake {
  /** Answers the accepting end's HELLO with one's own. */
  answer(hello: unknown): Promise<object>;
  /** Reads WELCOME, and says who is at the other end. */
  welcome(body: unknown): Peer;
}

type BodyType = typeof FrameType.Hello | typeof FrameType.Welcome;

/** One per session. */
export class Handshake {
  readonly #session: Session;
  readonly #failed = Promise.withResolvers<never>();
  readonly #stopTimer: () => void;
  /** The one frame that may come next. */
  #awaited: { type: BodyType; handle: (body: unknown) => void } | null = null;

  constructor(session: Session, clock: Clock, { handshakeTimeoutMs }: Limits) {
    this.#session = session;
    this.#failed.promise.catch(() => {});
    this.#stopTimer = clock.after(handshakeTimeoutMs, () =>
      session.destroy(
        new TunnelError('TUNNEL_HANDSHAKE_TIMEOUT', `no whole handshake within ${handshakeTimeoutMs} ms`),
      ),
    );
  }

  /** Leads it at the end that was dialled. */
  async accept(terms: AcceptHandshake, establish: (peer: Peer) => void): Promise<void> {
    this.#send(FrameType.Hello, terms.hello);
    const { peer, welcome } = await terms.authenticate(await this.#hello()).catch((error: unknown) => {
      this.#session.refuse(GoAwayCode.Refused, describeRefusal(error));
      throw error;
    });
    if (this.#session.closed) await this.#failed.promise;
    this.#send(FrameType.Welcome, welcome);
    this.#stopTimer();
    establish(peer);
  }

  /** Leads it at the end that dialled. `establish` is called before anything that follows WELCOME is read. */
  async connect(terms: ConnectHandshake, establish: (peer: Peer) => void): Promise<void> {
    const answer = await terms.answer(await this.#hello()).catch((error: unknown) => this.#giveUp(error));
    const welcomed = new Promise<void>((resolve, reject) => {
      const handle = (body: unknown): void => {
        try {
          establish(terms.welcome(body));
          this.#stopTimer();
          resolve();
        } catch (error) {
          this.#session.destroy(
            new TunnelError('TUNNEL_PROTOCOL_VIOLATED', 'WELCOME could not be read', { cause: error }),
          );
          reject(error);
        }
      };
      this.#awaited = { type: FrameType.Welcome, handle };
    });
    this.#send(FrameType.Hello, answer);
    await Promise.race([welcomed, this.#failed.promise]);
  }

  /** Takes a frame that came before the session is up. */
  handleFrame(type: number, stream: number, payload: Buffer): void {
    if (type === FrameType.GoAway) {
      const { text } = decodeGoAway(payload);
      this.#session.destroy(new TunnelError('TUNNEL_REFUSED', text, { detail: text.split(':', 1)[0] ?? '' }));
      return;
    }
    const awaited = this.#awaited;
    if (awaited === null || type !== awaited.type || stream !== 0)
      throw brokenProtocol(`a frame of type ${type} in the handshake`);
    this.#awaited = null;
    awaited.handle(decodeJson(payload));
  }

  /** The session is closed. */
  handleClose(cause: TunnelError): void {
    this.#stopTimer();
    this.#awaited = null;
    this.#failed.reject(cause);
  }

  #hello(): Promise<unknown> {
    const hello = new Promise<unknown>((resolve) => {
      this.#awaited = { type: FrameType.Hello, handle: resolve };
    });
    return Promise.race([hello, this.#failed.promise]);
  }

  /** A body that does not fit its frame ends the handshake here and now. */
  #send(type: BodyType, body: object): void {
    try {
      this.#session.sendControlFrame(encodeBody(type, body));
    } catch (error) {
      this.#giveUp(error);
    }
  }

  #giveUp(error: unknown): never {
    this.#session.destroy(new TunnelError('TUNNEL_CLOSED', 'the handshake was given up', { cause: error }));
    throw error;
  }
}

function describeRefusal(error: unknown): string {
  if (!(error instanceof Error)) return 'INTERNAL: the handshake failed';
  return 'code' in error && typeof error.code === 'string'
    ? `${error.code}: ${error.message}`
    : 'INTERNAL: the handshake failed';
}
