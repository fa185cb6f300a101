/**
 * How much of a request's body a caller of HTTP/2 may send before it is taken. HTTP/2 begins with 64 KiB for each request,
 * which over a way of 50 ms is 1.3 MB/s; an upload that goes on is given more, once a second is over and while there are few.
 *
 *     start ──few uploads, and they move──► grown ──many uploads──► start
 *
 * Invariant: what the uploads of a connection may send at once is no more than `heldBytesMax`, or the start for each.
 * A caller goes by the larger window until it acknowledges the smaller one; until then uploads beyond the bound are
 * refused as not begun (REFUSED_STREAM), which callers send again. The window of the connection holds nothing: Node takes
 * all that comes out of it at once.
 */
import type { Http2Session } from 'node:http2';

const startBytes = 65_535;
const grownBytes = 1_048_576;
const connectionBytes = 4_194_304;
const heldBytesMax = 16_777_216;
/** It grows for no more at once, and is the start again with more than these. */
const fewUploads = 4;
const uploadsMax = 8;
/** What uploads that move bring from one look to the next. */
const movingBytesMin = 2 * startBytes;

/** The windows of one connection's uploads. */
export class UploadWindow {
  readonly #session: Http2Session;
  #uploads = 0;
  /** Since the last look. */
  #bytes = 0;
  /** What the caller was told last. */
  #told = startBytes;
  /** What it may go by. */
  #inForce = startBytes;
  /** It has not acknowledged what it was told. */
  #isPending = false;

  constructor(session: Http2Session) {
    this.#session = session;
    session.setLocalWindowSize(connectionBytes);
  }

  /** One more begins; false when it has to be refused. */
  begin(): boolean {
    if (this.#inForce > startBytes && (this.#uploads + 1) * this.#inForce > heldBytesMax) return false;
    this.#uploads += 1;
    this.#shrink();
    return true;
  }

  /** Something came of one. */
  take(bytes: number): void {
    this.#bytes += bytes;
  }

  /** One has ended. */
  end(): void {
    this.#uploads -= 1;
  }

  /** About once a second. */
  tick(): void {
    const moves = this.#bytes >= movingBytesMin;
    this.#bytes = 0;
    if (moves && this.#uploads <= fewUploads) this.#tell(grownBytes);
  }

  #shrink(): void {
    if (this.#uploads > uploadsMax) this.#tell(startBytes);
  }

  #tell(bytes: number): void {
    if (this.#isPending || this.#told === bytes || this.#session.closed) return;
    this.#told = bytes;
    this.#inForce = Math.max(this.#inForce, bytes);
    this.#isPending = true;
    this.#session.settings({ initialWindowSize: bytes }, (error) => {
      if (error !== null) return;
      this.#isPending = false;
      this.#inForce = bytes;
      this.#shrink();
    });
  }
}
