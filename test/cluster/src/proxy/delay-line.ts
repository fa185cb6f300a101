/**
 * One direction of a proxied connection: bytes and the end that follows them leave in order, each a given time after
 * it came. What waits is bounded: past the bound it reads no more, as a full pipe would not. While it is paused
 * nothing is read and nothing leaves.
 */
import type { Socket } from 'node:net';

interface Held {
  readonly dueAt: number;
  /** Null is the end of the direction. */
  readonly bytes: Buffer | null;
}

/** Moves bytes from one socket to another. Created paused. */
export class DelayLine {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #delayMs: () => number;
  readonly #heldBytesMax: number;
  #held: Held[] = [];
  #heldBytes = 0;
  #heldBytesPeak = 0;
  #timer: NodeJS.Timeout | null = null;
  #flowing = false;
  #drained = true;
  #passedBytes = 0;

  constructor(from: Socket, to: Socket, delayMs: () => number, heldBytesMax: number) {
    this.#from = from;
    this.#to = to;
    this.#delayMs = delayMs;
    this.#heldBytesMax = heldBytesMax;
    from.on('data', (bytes: Buffer) => this.#take(bytes));
    from.on('end', () => this.#take(null));
    from.pause();
    to.on('drain', () => {
      this.#drained = true;
      this.#send();
    });
  }

  /** How many bytes have left. */
  get passedBytes(): number {
    return this.#passedBytes;
  }

  /** The most bytes that it held at once: what was under way, while it delays. */
  get heldBytesPeak(): number {
    return this.#heldBytesPeak;
  }

  flow(): void {
    this.#flowing = true;
    this.#send();
  }

  pause(): void {
    this.#flowing = false;
    this.#clearTimer();
    this.#from.pause();
  }

  /** Drops what it holds. */
  stop(): void {
    this.pause();
    this.#held = [];
    this.#heldBytes = 0;
  }

  #take(bytes: Buffer | null): void {
    this.#held.push({ dueAt: performance.now() + this.#delayMs(), bytes });
    this.#heldBytes += bytes?.length ?? 0;
    this.#heldBytesPeak = Math.max(this.#heldBytesPeak, this.#heldBytes);
    this.#send();
  }

  #send(): void {
    if (!this.#flowing) return;
    while (this.#drained) {
      const next = this.#held[0];
      if (next === undefined) break;
      const waitMs = next.dueAt - performance.now();
      if (waitMs > 0) {
        this.#timer ??= setTimeout(() => {
          this.#timer = null;
          this.#send();
        }, waitMs);
        break;
      }
      this.#held.shift();
      this.#heldBytes -= next.bytes?.length ?? 0;
      this.#passedBytes += next.bytes?.length ?? 0;
      if (next.bytes === null) this.#to.end();
      else this.#drained = this.#to.write(next.bytes);
    }
    const isFull = this.#delayMs() > 0 ? this.#heldBytes > this.#heldBytesMax : !this.#drained;
    if (isFull) this.#from.pause();
    else this.#from.resume();
  }

  #clearTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
