/**
 * The cloud destinations of one gateway at this client: listens for those that its nodes name, takes their callers within
 * a bound, tells the nodes where it listens, and shows both. A destination that is gone from the list (disabled, deleted)
 * stops listening at once; its callers go on until the node, which knows which of the two it was, resets them.
 */
import { randomUUID } from 'node:crypto';
import {
  type CloudDestination,
  type CloudListenerState,
  type Control,
  toldTextMax,
} from '@postern/contracts';
import type { MaterialSource } from '@postern/dial';
import {
  type CallerEnd,
  type Compression,
  ResetCode,
  type Session,
  type Stream,
  resetSocket,
} from '@postern/tunnel';
import { BytePipe, type HttpBounds } from '@postern/exchange';
import { halfOf } from '@postern/share';
import type { AccessGuard } from '../resource/access-guard.ts';
import { type FileReserve, LineLimit, type Logger } from '@postern/telemetry';
import type { CloudCause } from './cause.ts';
import { CloudBook, type ToldDestinations } from './cloud-book.ts';
import type { TracingSource } from '../traces.ts';
import { CloudErrand, type CloudErrandParts } from './cloud-errand.ts';
import { CloudHttp, type HttpCaller, type RefusedCaller } from './cloud-http.ts';
import { CloudListener } from './cloud-listener.ts';
import { Handshakes } from './listener-tls.ts';
import { clientVoice } from './voice.ts';

const tickMs = 1_000;
const refusalLinesPerSecondMax = 50;

/** What the desk needs of its gateway's client. */
export interface CloudDeskParts {
  readonly listenHost: string;
  readonly gatewayId: string;
  /** The most callers at once. */
  readonly callersMax: number;
  readonly guard: AccessGuard;
  readonly compression: Compression;
  readonly files: FileReserve;
  /** The bounds of HTTP with callers. */
  readonly http: HttpBounds;
  /** Certificates for TLS with callers. */
  readonly material: MaterialSource;
  readonly logger: Logger;
  readonly tracing: TracingSource;
  sessions(): Iterable<Session>;
  open(session: Session, metadata: object): Stream;
}

interface Refusal extends CloudCause {
  readonly at: string;
  readonly caller: string;
}

/** One for each gateway. */
export class CloudDesk {
  readonly #parts: CloudDeskParts;
  readonly #book = new CloudBook();
  readonly #listeners = new Map<string, CloudListener>();
  readonly #callers = new Set<CloudErrand>();
  /** Those of them that come by UDP, whose addresses anybody can forge: they have half of the places at most. */
  readonly #flows = new Set<CloudErrand>();
  readonly #http: CloudHttp;
  readonly #lastRefusals = new Map<string, Refusal>();
  readonly #lines = new LineLimit(refusalLinesPerSecondMax);
  readonly #handshakes = new Handshakes();
  readonly #timer: NodeJS.Timeout;
  readonly #errandParts: CloudErrandParts;
  #served = 0;
  #refused = 0;
  /** A refusal has not been told to the nodes yet. */
  #untold = false;
  #closed = false;

  constructor(parts: CloudDeskParts) {
    this.#parts = parts;
    const common = {
      guard: parts.guard,
      compression: parts.compression,
      tracing: parts.tracing,
      sessions: () => parts.sessions(),
      open: (session: Session, metadata: object) => parts.open(session, metadata),
    };
    this.#http = new CloudHttp({
      ...common,
      bounds: parts.http,
      destination: (id) => this.#listeners.get(id)?.destination,
      onServed: () => (this.#served += 1),
      onRefused: (request, cause) => this.#refuse(request, cause),
    });
    this.#errandParts = {
      ...common,
      onStart: (caller) => this.#handleStart(caller),
      onOver: (caller, cause) => this.#handleOver(caller, cause),
    };
    this.#timer = setInterval(() => this.#tick(), tickMs).unref();
  }

  /** A node told its list. */
  take(session: Session, told: ToldDestinations): void {
    this.#book.set(session, told);
    this.#reconcile();
    this.#tell(session);
  }

  /** A tunnel has ended. */
  forget(session: Session): void {
    this.#book.forget(session);
    this.#reconcile();
  }

  /** An access list has changed: callers that it denies are reset. */
  recheck(): void {
    for (const caller of this.#callers) caller.judgeAgain();
    this.#http.recheck();
  }

  /** What `/status` and status lines show. */
  status(): object {
    const counts = Map.groupBy(this.#callers, ({ destination }) => destination.id);
    return {
      callers: this.#size,
      handshakes: this.#handshakes.size,
      served: this.#served,
      refused: this.#refused,
      destinations: [...this.#listeners.values()].map(({ destination, listening, error, udp }) => ({
        ...destination,
        listening,
        error,
        udp,
        callers: (counts.get(destination.id)?.length ?? 0) + this.#http.countOf(destination.id),
        lastRefusal: this.#lastRefusals.get(destination.id) ?? null,
      })),
    };
  }

  /** Takes no more callers; those that are there go on. Idempotent. */
  stopListening(): void {
    this.#closed = true;
    for (const listener of this.#listeners.values()) listener.close();
    this.#http.drain();
  }

  /** Ends everything. Idempotent. */
  close(): void {
    this.stopListening();
    clearInterval(this.#timer);
    const cause: CloudCause = { code: 'CLIENT_STOPPING', text: 'the client is stopping' };
    for (const caller of this.#callers) caller.end(cause, ResetCode.ShuttingDown);
    this.#http.close(cause);
  }

  /** Ports that are given up are given up before others are taken, so that one can pass to another destination. */
  #reconcile(): void {
    if (this.#closed) return;
    const wanted = new Map(this.#book.destinations.map((destination) => [destination.id, destination]));
    for (const [id, listener] of this.#listeners) {
      const now = wanted.get(id);
      if (now !== undefined && isSame(now, listener.destination)) continue;
      listener.close();
      this.#listeners.delete(id);
      if (now === undefined) this.#lastRefusals.delete(id);
    }
    for (const [id, destination] of wanted) {
      if (!this.#listeners.has(id)) this.#listeners.set(id, this.#listen(destination));
    }
  }

  #listen(destination: CloudDestination): CloudListener {
    const { id: destinationId, name, clientPort, protocol } = destination;
    const { logger, listenHost: host, gatewayId, material } = this.#parts;
    const about = { destinationId, clientPort, protocol, host };
    return new CloudListener(destination, {
      host,
      gatewayId,
      flowsMax: this.#flowsMax,
      material,
      handshakes: this.#handshakes,
      onCaller: (end) => this.#accept(destination, end),
      onHttpCaller: (caller) => this.#acceptHttp(destination, caller),
      onTlsFailed: (address, cause) =>
        this.#refuse({ destination, trackingId: randomUUID(), address, opened: false }, cause),
      onFlowsFull: (address) => this.#turnAway(destination, randomUUID(), address, this.#manyFlows),
      onState: (error) => {
        if (error === null) logger.info(about, `listening for callers of ${name}`);
        else logger.error(about, `callers of ${name} cannot be taken; trying again: ${error}`);
        for (const session of this.#parts.sessions()) this.#tell(session);
      },
    });
  }

  #accept(destination: CloudDestination, end: CallerEnd): void {
    const about = { trackingId: randomUUID(), address: end.address };
    const full = this.#whyFull(end.protocol);
    if (full !== null) {
      end.reset();
      this.#turnAway(destination, about.trackingId, about.address, full);
    } else new BytePipe(new CloudErrand(this.#errandParts, destination, about), end, clientVoice).start();
  }

  #acceptHttp(destination: CloudDestination, caller: HttpCaller): void {
    const full = this.#whyFull('tcp');
    if (full !== null) {
      resetSocket(caller.socket);
      this.#turnAway(destination, randomUUID(), caller.address, full);
    } else this.#http.accept(destination, caller);
  }

  get #size(): number {
    return this.#callers.size + this.#http.size;
  }

  /** Why there is no room for a caller; null where there is. */
  #whyFull(protocol: CallerEnd['protocol']): string | null {
    if (this.#size >= this.#parts.callersMax) return this.#manyCallers;
    // Those of one destination share a file descriptor.
    if (protocol === 'udp') return this.#flows.size >= this.#flowsMax ? this.#manyFlows : null;
    return this.#parts.files.take() ? null : 'the client has few file descriptors left';
  }

  get #manyCallers(): string {
    return `the client has ${this.#size} callers already`;
  }

  get #flowsMax(): number {
    return halfOf(this.#parts.callersMax);
  }

  get #manyFlows(): string {
    return `the client has ${this.#flowsMax} UDP callers already`;
  }

  #turnAway(
    destination: CloudDestination,
    trackingId: string,
    address: CallerEnd['address'],
    text: string,
  ): void {
    this.#refuse({ destination, trackingId, address, opened: false }, { code: 'CLIENT_CALLERS_FULL', text });
  }

  #handleStart(caller: CloudErrand): void {
    this.#callers.add(caller);
    if (caller.destination.protocol === 'udp') this.#flows.add(caller);
  }

  #handleOver(caller: CloudErrand, cause: CloudCause | null): void {
    this.#callers.delete(caller);
    this.#flows.delete(caller);
    if (caller.opened) this.#served += 1;
    if (cause !== null) return this.#refuse(caller, cause);
    const { destination, trackingId } = caller;
    this.#parts.logger.debug({ destinationId: destination.id, trackingId }, 'a caller is served');
  }

  #refuse({ destination, trackingId, address, opened }: RefusedCaller, cause: CloudCause): void {
    const { code, text } = cause;
    const caller = `${address.address}:${address.port}`;
    if (!opened) this.#refused += 1;
    this.#note(destination.id, { at: new Date().toISOString(), caller, code, text });
    const more = this.#lines.take();
    if (more === null) return;
    const message = opened ? 'a stream was cut' : 'a caller was turned away';
    this.#parts.logger.warn(
      { destinationId: destination.id, trackingId, caller, code, ...more },
      `${message}: ${text}`,
    );
  }

  /** Callers may outlive their destination here; of one that is gone nothing is kept, and nothing told. */
  #note(destinationId: string, refusal: Refusal): void {
    if (!this.#listeners.has(destinationId)) return;
    this.#lastRefusals.set(destinationId, refusal);
    this.#untold = true;
  }

  #tell(session: Session): void {
    if (!session.usable || this.#closed) return;
    const { revision } = this.#book;
    const body: Control = { kind: 'cloudListeners', revision, listeners: this.#states() };
    session.sendControl(body);
  }

  #states(): CloudListenerState[] {
    return [...this.#listeners.values()].map(({ destination, listening, error }) => {
      const last = this.#lastRefusals.get(destination.id);
      return {
        destinationId: destination.id,
        listening,
        error: error === null ? null : toldText(error, toldTextMax.listener),
        ...(last === undefined
          ? {}
          : { lastRefusal: { ...last, text: toldText(last.text, toldTextMax.refusal) } }),
      };
    });
  }

  #tick(): void {
    const now = performance.now();
    for (const caller of this.#callers) caller.tick(now);
    this.#http.tick(now);
    // Once a second at most, however many callers are turned away.
    if (this.#untold) for (const session of this.#parts.sessions()) this.#tell(session);
    this.#untold = false;
  }
}

/** In bytes as in characters: sixty-four destinations' fit one frame. */
function toldText(text: string, lengthMax: number): string {
  return text.replaceAll(/[^ -~]/g, '?').slice(0, lengthMax);
}

/** Whether a listener serves the destination as it is now; callers that it took keep what they were opened for. */
function isSame(a: CloudDestination, b: CloudDestination): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
