/**
 * The other end of a session, spoken by hand: tests send it frames that no `Session` would send, and see every
 * frame that the endpoint sends. It dials, so its streams are 1, 3, 5… and the endpoint's 2, 4, 6…
 */
import type { CarrierEvents } from './carrier/carrier.ts';
import { FrameDecoder, type FrameSink } from './frame/decoder.ts';
import type { Endpoint } from './endpoint/endpoint.ts';
import { decodeReset, encodeBody, encodeFrame, encodeOpen, encodeResume, FrameType } from './frame/frame.ts';
import type { Session } from './session/session.ts';
import { testEndpoint, Wire, type TestClock } from './test-world.ts';

/** A frame that came; DATA may come in several pieces. */
export interface SeenFrame {
  type: number;
  stream: number;
  payload: Buffer;
}

/** Who the raw peer says it is; `bootId` and `id` as in `Peer`. */
export const rawName = { id: 'raw', bootId: 'raw-boot' };

/** See the head of this file. */
export class RawPeer implements FrameSink, CarrierEvents {
  readonly wire: Wire;
  readonly seen: SeenFrame[] = [];
  closed = false;
  readonly #decoder = new FrameDecoder(this);

  constructor(clock: TestClock) {
    this.wire = new Wire(clock);
    this.wire.right.start(this);
  }

  /** A raw peer whose handshake with `endpoint` is over. */
  static async join(
    clock: TestClock,
    endpoint: Endpoint,
    options: { trusted?: boolean; scope?: string; id?: string; bootId?: string } = {},
  ): Promise<{ raw: RawPeer; session: Session }> {
    const raw = new RawPeer(clock);
    const peer = { scope: 'g', ...rawName, ...options };
    const accepting = endpoint.accept(raw.wire.left, {
      hello: {},
      authenticate: () => Promise.resolve({ peer, welcome: {} }),
    });
    raw.send(encodeBody(FrameType.Hello, {}));
    await clock.advance(1);
    const session = await accepting;
    raw.seen.splice(0, raw.seen.length, ...raw.seen.filter((frame) => frame.stream !== 0));
    return { raw, session };
  }

  /** These bytes arrive at the endpoint now, in one chunk. */
  send(...frames: Uint8Array[]): void {
    this.wire.left.receive(Buffer.concat(frames));
  }

  /** OPEN for a process `to`. */
  open(stream: number, to: { id: string; bootId: string }, more: Partial<RawOpen> = {}): void {
    const { key = rawKey(stream), attempt = 1, limit = 262_144, from = rawName, meta = {} } = more;
    this.send(encodeOpen(stream, { key, attempt, limit, body: { from, to, meta } }));
  }

  /** RESUME for a process `to`. */
  resume(
    stream: number,
    to: { id: string; bootId: string },
    more: Partial<RawOpen> & { received?: number } = {},
  ): void {
    const { key = rawKey(stream), attempt = 2, limit = 262_144, from = rawName, received = 0 } = more;
    this.send(encodeResume(stream, { key, attempt, received, limit, body: { from, to } }));
  }

  /** DATA. */
  data(stream: number, bytes: Uint8Array): void {
    this.send(encodeFrame(FrameType.Data, stream, bytes));
  }

  /** FIN. */
  fin(stream: number): void {
    this.send(encodeFrame(FrameType.Fin, stream, Buffer.alloc(0)));
  }

  /** The payloads of all frames of a type that came for a stream. */
  payloads(type: number, stream: number): Buffer[] {
    return this.seen
      .filter((frame) => frame.type === type && frame.stream === stream)
      .map((frame) => frame.payload);
  }

  /** Codes and words of the RESETs that came for a stream. */
  resets(stream: number): { code: number; text: string }[] {
    return this.payloads(FrameType.Reset, stream).map(decodeReset);
  }

  /** The bytes of a stream that came. */
  received(stream: number): Buffer {
    return Buffer.concat(this.payloads(FrameType.Data, stream));
  }

  handleBytes(chunk: Buffer): void {
    this.#decoder.push(chunk);
  }

  handleClose(): void {
    this.closed = true;
  }

  handleFrame(type: number, stream: number, payload: Buffer): void {
    this.seen.push({ type, stream, payload: Buffer.from(payload) });
  }

  handleData(stream: number, piece: Buffer): void {
    this.seen.push({ type: FrameType.Data, stream, payload: Buffer.from(piece) });
  }
}

interface RawOpen {
  key: string;
  attempt: number;
  limit: number;
  from: { id: string; bootId: string };
  meta: unknown;
}

/** A key that is the number, for tests to read. */
export function rawKey(stream: number): string {
  return stream.toString(16).padStart(32, '0');
}

/** The client of the worked session (docs/PROTOCOL.md), which says `pong` to what it hears and ends when it is ended. */
export function pageClient(clock: TestClock): Endpoint {
  return testEndpoint(clock, 'c1', {
    self: { id: 'c1', bootId: 'c1ient-b00t' },
    onOpen: (stream) => {
      stream.events = {
        onData: (piece) => {
          stream.deliver(piece.length);
          stream.writeCopy(Buffer.from('pong'));
        },
        onEnd: () => {
          stream.deliverEnd();
          stream.end();
        },
      };
      stream.accept();
    },
  });
}
