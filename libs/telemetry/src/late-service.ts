/**
 * A service whose parts are opened when it starts: connections to servers that may not be there yet. Until they are,
 * the program runs, says on its ops port what it waits for, and can be asked to stop.
 *
 *     parts: [lateService({ name: 'acl', waitsFor: ['bus', 'documents'], open: async (signal) => {
 *       const bus = await connectNats({ …, signal });
 *       return { service: createAcl({ bus, … }), close: () => bus.close() };
 *     } })]
 */
import type { Readiness, Service } from './service.ts';

/** What was opened, and how it is let go once the service has stopped. */
export interface Opened {
  readonly service: Service;
  close(): Promise<void>;
}

/** What to open. */
export interface LateServiceOptions {
  readonly name: string;
  /** What readiness names meanwhile. */
  readonly waitsFor: readonly string[];
  /** Rejects when the signal is aborted, and lets go of what it had opened by then. */
  open(signal: AbortSignal): Promise<Opened>;
}

/** Makes the service. */
export function lateService(options: LateServiceOptions): Service {
  return new LateService(options);
}

class LateService implements Service {
  readonly name: string;
  readonly #options: LateServiceOptions;
  readonly #abort = new AbortController();
  #opening: Promise<Opened> | null = null;
  #opened: Opened | null = null;
  #stopping: Promise<void> | null = null;

  constructor(options: LateServiceOptions) {
    this.name = options.name;
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#opening = this.#options.open(this.#abort.signal);
    const opened = await this.#opening;
    if (this.#abort.signal.aborted) return;
    this.#opened = opened;
    await opened.service.start();
  }

  ready(): Readiness {
    return this.#opened?.service.ready() ?? { ready: false, waitingFor: this.#options.waitsFor };
  }

  status(): unknown {
    return this.#opened?.service.status() ?? null;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#abort.abort();
    // Whatever was opened while the end was asked for is closed too; a failure to open is start's to tell.
    const opened = await this.#opening?.catch(() => null);
    await opened?.service.stop();
    await opened?.close();
  }
}
