/**
 * A world for tests: endpoints joined by carriers that delay, split, cut, swallow and deliver late, on a clock
 * that tests turn. Bytes follow a pattern by stream, direction and offset, so any loss, doubling or swap shows.
 */
import assert from 'node:assert/strict';
import type { Carrier, CarrierEvents } from './carrier/carrier.ts';
import type { Clock } from './clock.ts';
import { Endpoint } from './endpoint/endpoint.ts';
import type { EndpointOptions } from './endpoint/endpoint-options.ts';
import type { Session } from './session/session.ts';
import { Slab } from './memory/slab.ts';
import type { StreamEnd } from './stream/stream-end.ts';
import type { Stream } from './stream/stream.ts';

interface Entry {
  at: number;
  order: number;
  work: () => void;
  live: boolean;
}

/** Time that moves only when told. Work for the same moment runs in the order in which it was asked for. */
export class TestClock implements Clock {
  #now = 0;
  #order = 0;
  #queue: Entry[] = [];
  /** Timers come so much too early, as Node's do in a turn that is busy: they count from its beginning. */
  timersEarlyMs = 0;

  now(): number {
    return this.#now;
  }

  soon(work: () => void): void {
    this.after(0, work);
  }

  after(delayMs: number, work: () => void): () => void {
    const inMs = Math.max(Math.min(delayMs, 1), delayMs - this.timersEarlyMs);
    const entry = { at: this.#now + inMs, order: (this.#order += 1), work, live: true };
    this.#queue.push(entry);
    return () => {
      entry.live = false;
    };
  }

  every(intervalMs: number, work: () => void): () => void {
    let stop = (): void => {};
    const again = (): void => {
      stop = this.after(intervalMs, () => {
        again();
        work();
      });
    };
    again();
    return () => stop();
  }

  /**
   * Lets time pass. Promises settle whenever nothing is due, not after every piece of work: the test runner pays for
   * each promise.
   */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (let worked = true; worked;) {
      for (let i = 0; i < 8; i += 1) await Promise.resolve();
      worked = false;
      for (let next = this.#due(until); next !== undefined; next = this.#due(until)) {
        worked = true;
        next.live = false;
        this.#now = Math.max(this.#now, next.at);
        next.work();
      }
    }
    this.#now = until;
  }

  /** Time passes in which nothing runs: whatever was due meanwhile runs late, in the order in which it was due. */
  standStill(ms: number): void {
    this.#now += ms;
  }

  /** The first entry that is due by then. */
  #due(until: number): Entry | undefined {
    this.#queue = this.#queue.filter((entry) => entry.live);
    let first: Entry | undefined;
    for (const entry of this.#queue) {
      if (entry.at > until) continue;
      if (first === undefined || entry.at < first.at || (entry.at === first.at && entry.order < first.order))
        first = entry;
    }
    return first;
  }
}

/** One end of a wire between two endpoints. */
class WireEnd implements Carrier {
  readonly transport = 'memory';
  readonly remoteAddress = 'wire';
  readonly wire: Wire;
  peer!: WireEnd;
  events: CarrierEvents | null = null;
  open = true;
  /** So many bytes arrive here still, then none. */
  passes = Number.POSITIVE_INFINITY;
  #early: Buffer[] = [];
  #slab: Slab | null = null;
  #lastArrival = 0;
  #ended = false;

  constructor(wire: Wire) {
    this.wire = wire;
  }

  start(events: CarrierEvents): void {
    this.events = events;
    for (const chunk of this.#early.splice(0)) events.handleBytes(chunk);
  }

  pause(): void {}
  resume(): void {}

  write(bytes: Buffer, done: () => void): void {
    assert.ok(!this.#ended, 'nothing is written after the end');
    const copy = Buffer.from(bytes);
    this.#send(copy);
    this.wire.clock.soon(() => {
      assert.ok(copy.equals(bytes), 'what is written stays as it is until it is done');
      if (!this.wire.swallows) done();
    });
  }

  end(last: Buffer): void {
    this.#ended = true;
    this.#send(Buffer.from(last));
    this.wire.clock.soon(() => this.destroy());
  }

  destroy(): void {
    if (!this.open) return;
    this.open = false;
    this.wire.clock.soon(() => this.events?.handleClose(null));
    if (!this.wire.swallows) this.wire.clock.after(this.wire.delayMs, () => this.peer.destroy());
  }

  receive(chunk: Buffer): void {
    const bytes = chunk.subarray(0, this.passes);
    this.passes -= bytes.length;
    if (!this.open || bytes.length === 0) return;
    if (this.events === null) this.#early.push(bytes);
    else if (this.wire.inSlabs) this.#receiveInSlabs(bytes, this.events);
    else this.events.handleBytes(bytes);
  }

  #receiveInSlabs(chunk: Buffer, events: CarrierEvents): void {
    for (let at = 0; at < chunk.length && this.open;) {
      let region = this.#slab?.region(0) ?? null;
      if (region === null) {
        this.#slab?.release();
        this.#slab = Slab.take();
        region = this.#slab.region(0) as Buffer;
      }
      const slab = this.#slab as Slab;
      const bytes = chunk.copy(region, 0, at);
      at += bytes;
      events.handleBytes(slab.fill(bytes, 0), slab);
      slab.release();
    }
  }

  #send(bytes: Buffer): void {
    const { clock } = this.wire;
    for (const part of this.wire.split(bytes)) {
      this.#lastArrival = Math.max(this.#lastArrival, clock.now() + this.wire.delayMs);
      clock.after(this.#lastArrival - clock.now(), () => {
        if (!this.wire.swallows) this.peer.receive(part);
      });
    }
  }
}

/**
 * Two ends. `swallows`: nothing arrives and nobody is told. `delayMs` may change: what is under way is not overtaken.
 * `inSlabs`: what arrives lies in slabs, as it was sent.
 */
export class Wire {
  readonly clock: TestClock;
  readonly left: WireEnd;
  readonly right: WireEnd;
  swallows = false;
  inSlabs = false;
  delayMs = 0;
  split: (bytes: Buffer) => Buffer[] = (bytes) => [bytes];

  constructor(clock: TestClock) {
    this.clock = clock;
    this.left = new WireEnd(this);
    this.right = new WireEnd(this);
    this.left.peer = this.right;
    this.right.peer = this.left;
  }

  /** After so many bytes more nothing arrives at that end, and nobody is told. */
  sever(end: WireEnd, bytes: number): void {
    end.passes = Math.min(end.passes, bytes);
  }

  cut(): void {
    this.left.destroy();
    this.right.destroy();
  }
}

/** The byte of stream `seed` at `offset`. */
export function patternByte(seed: number, offset: number): number {
  return (offset * 31 + (offset >>> 8) * 17 + (offset >>> 16) * 7 + seed * 101) & 0xff;
}

/** `length` bytes of the pattern from `offset`. */
export function patternBytes(seed: number, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i += 1) bytes[i] = patternByte(seed, offset + i);
  return bytes;
}

/** The owner of one stream end in a test: writes the pattern, checks what comes, delivers when it reads. */
export class TestOwner<End extends StreamEnd = Stream> {
  readonly stream: End;
  readonly seedOut: number;
  readonly seedIn: number;
  written = 0;
  received = 0;
  reading = true;
  opened = false;
  ended = false;
  done = false;
  reset: { code: number; text: string; origin: string } | null = null;
  #slab: Slab | null = null;
  #undelivered = 0;
  #endUndelivered = false;

  constructor(stream: End, seedOut: number, seedIn: number) {
    this.stream = stream;
    this.seedOut = seedOut;
    this.seedIn = seedIn;
    stream.events = {
      onOpened: () => {
        assert.equal(this.opened, false, 'opened once');
        this.opened = true;
      },
      onData: (piece) => {
        assert.ok(!this.ended, 'no bytes after the end');
        for (let i = 0; i < piece.length; i += 1) {
          if (piece[i] !== patternByte(this.seedIn, this.received + i))
            assert.fail(`byte ${this.received + i} of stream ${this.seedIn} is wrong`);
        }
        this.received += piece.length;
        this.#undelivered += piece.length;
        this.#deliver();
      },
      onEnd: () => {
        assert.equal(this.ended, false, 'ended once');
        this.ended = true;
        this.#endUndelivered = true;
        this.#deliver();
      },
      onReset: (code, text, origin) => {
        this.reset = { code, text, origin };
      },
      onDone: () => {
        this.done = true;
      },
    };
  }

  get over(): boolean {
    return this.done || this.reset !== null;
  }

  /** Writes as much of `length` as there is room for. */
  write(length: number, inSlab = false): void {
    const most = Math.min(length, this.stream.room);
    if (most <= 0) return;
    const bytes = patternBytes(this.seedOut, this.written, most);
    this.written += most;
    if (inSlab) {
      this.#writeInSlab(bytes);
    } else if (most < 4096) this.stream.writeCopy(bytes);
    else this.stream.write(bytes);
  }

  #writeInSlab(bytes: Buffer): void {
    let rest = bytes;
    while (rest.length > 0) {
      let region = this.#slab?.region() ?? null;
      if (region === null) {
        this.#slab?.release();
        this.#slab = Slab.take();
        region = this.#slab.region() as Buffer;
      }
      const length = rest.copy(region);
      this.stream.write((this.#slab as Slab).fill(length), this.#slab);
      rest = rest.subarray(length);
    }
  }

  setReading(reading: boolean): void {
    this.reading = reading;
    this.#deliver();
  }

  #deliver(): void {
    if (!this.reading) return;
    if (this.#undelivered > 0) {
      const bytes = this.#undelivered;
      this.#undelivered = 0;
      this.stream.deliver(bytes);
    }
    if (this.#endUndelivered) {
      this.#endUndelivered = false;
      this.stream.deliverEnd();
    }
  }
}

/** Makes an endpoint on the test's clock. */
export function testEndpoint(clock: TestClock, id: string, options: Partial<EndpointOptions> = {}): Endpoint {
  return new Endpoint({ self: { id, bootId: `${id}-boot` }, clock, ...options });
}

/** Joins two endpoints by a session over a new wire. The left one accepts. */
export async function connect(
  clock: TestClock,
  left: Endpoint,
  right: Endpoint,
  options: { wire?: Wire; trusted?: boolean; scope?: string } = {},
): Promise<{ wire: Wire; left: Session; right: Session }> {
  const wire = options.wire ?? new Wire(clock);
  const trusted = options.trusted === true;
  const scope = options.scope ?? 'g';
  const accepting = left.accept(wire.left, {
    hello: { node: left.self.id },
    authenticate: () => Promise.resolve({ peer: { scope, ...right.self, trusted }, welcome: {} }),
  });
  const connecting = right.connect(wire.right, {
    answer: () => Promise.resolve({}),
    welcome: () => ({ scope, ...left.self, trusted: true }),
  });
  const both = Promise.all([accepting, connecting]);
  await clock.advance(1 + 4 * wire.delayMs);
  const [leftSession, rightSession] = await both;
  return { wire, left: leftSession, right: rightSession };
}
