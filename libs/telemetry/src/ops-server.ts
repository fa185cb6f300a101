/**
 * The operator's port of a process: `/healthz` (it runs), `/readyz` (503 with what it waits for), `/metrics`, `/status`
 * (and `/status/<part>`). Read only, plain HTTP, on loopback unless told otherwise; it shows nothing secret, takes no
 * body, and holds few connections and one request of each at a time, so that a scraper gone wild cannot hurt the process.
 */
import { once } from 'node:events';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import { type Readiness, type Service, combineReadiness } from './service.ts';

const connectionsMax = 64;
const requestTimeoutMs = 10_000;
const headerBytesMax = 8 * 1024;

/** What the port shows. */
export interface OpsServerOptions {
  /** The program's name. */
  name: string;
  version?: string;
  host: string;
  /** 0 takes a free one. */
  port: number;
  parts: () => readonly Service[];
  /** Beyond what the parts say, e.g. while starting or draining. */
  ready?: () => Readiness;
  metrics?: Metrics;
  logger: Logger;
}

/** The ops port as a service; it is the first to start and the last to stop. */
export class OpsServer implements Service {
  readonly name = 'ops';
  readonly #options: OpsServerOptions;
  readonly #server: Server;
  readonly #startedAt = new Date();

  constructor(options: OpsServerOptions) {
    this.#options = options;
    this.#server = createServer(
      { maxHeaderSize: headerBytesMax, requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs },
      (request, response) => void this.#handle(request, response),
    );
    this.#server.maxConnections = connectionsMax;
  }

  /** `http://host:port` once it listens, else null. */
  get url(): string | null {
    const address = this.#server.address() as AddressInfo | null;
    if (address === null) return null;
    return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
  }

  async start(): Promise<void> {
    this.#server.listen(this.#options.port, this.#options.host);
    await once(this.#server, 'listening');
    this.#options.logger.info({ subsystem: 'ops', url: this.url }, 'health, metrics and status are served');
  }

  ready(): Readiness {
    return { ready: this.#server.listening, waitingFor: [] };
  }

  status(): unknown {
    return { url: this.url };
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // It waits behind another answer. Some 2,000 requests come in one read, and all of their answers would be made at once.
    if (response.socket === null) {
      request.socket.destroy();
      return;
    }
    try {
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.setHeader('allow', 'GET, HEAD');
        sendJson(response, 405, { error: 'only GET and HEAD' });
        return;
      }
      await this.#answer((request.url ?? '/').split('?', 1)[0] ?? '/', response);
    } catch (error) {
      this.#options.logger.error({ subsystem: 'ops', error, path: request.url }, 'an ops request failed');
      if (response.headersSent) response.destroy();
      else sendJson(response, 500, { error: 'an internal error; its cause is in the log' });
    }
  }

  async #answer(path: string, response: ServerResponse): Promise<void> {
    const metrics = this.#options.metrics;
    if (path === '/healthz') return sendJson(response, 200, { status: 'ok' });
    if (path === '/readyz') {
      const state = this.#readiness();
      return sendJson(response, state.ready ? 200 : 503, state);
    }
    if (path === '/metrics' && metrics !== undefined) {
      const text = await metrics.text();
      response.writeHead(200, { 'content-type': metrics.contentType });
      response.end(text);
      return undefined;
    }
    const status = this.#statusAt(path);
    return status === undefined
      ? sendJson(response, 404, { error: 'not found', paths: ['/healthz', '/readyz', '/metrics', '/status'] })
      : sendJson(response, 200, status);
  }

  #readiness(): Readiness {
    const own = this.#options.ready?.() ?? { ready: true, waitingFor: [] };
    const parts = combineReadiness(this.#options.parts());
    return { ready: own.ready && parts.ready, waitingFor: [...own.waitingFor, ...parts.waitingFor] };
  }

  #statusAt(path: string): unknown {
    const parts = this.#options.parts();
    if (path === '/status') {
      return {
        name: this.#options.name,
        version: this.#options.version,
        pid: process.pid,
        startedAt: this.#startedAt.toISOString(),
        ...this.#readiness(),
        parts: Object.fromEntries(parts.map((part) => [part.name, part.status() ?? null])),
      };
    }
    const part = parts.find((one) => path === `/status/${one.name}`);
    return part === undefined ? undefined : (part.status() ?? null);
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(
    `${JSON.stringify(body, (_key, value: unknown) => (typeof value === 'bigint' ? Number(value) : value))}\n`,
  );
}
