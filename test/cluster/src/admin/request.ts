/** One HTTPS request with a body of JSON and an answer of it. Connections are kept, the CA is the platform's own. */
import { Agent, request } from 'node:https';

const ANSWER_WITHIN_MS = 30_000;

/** An answer as it came. */
export interface JsonAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed where it is JSON, text otherwise, null when there is none. */
  readonly body: unknown;
}

/** Where requests go, and whom they believe. */
export class JsonHttp {
  readonly #base: URL;
  readonly #agent: Agent;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(options: { base: string; caPem: string; headers?: Record<string, string> }) {
    this.#base = new URL(options.base);
    this.#agent = new Agent({ ca: options.caPem, keepAlive: true });
    this.#headers = options.headers ?? {};
  }

  /** Sends; rejects only when there is no answer. */
  send(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<JsonAnswer> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
      const outgoing = request(
        new URL(path, this.#base),
        {
          method,
          agent: this.#agent,
          timeout: ANSWER_WITHIN_MS,
          headers: {
            ...this.#headers,
            ...(text === undefined
              ? {}
              : { 'content-type': type, 'content-length': Buffer.byteLength(text) }),
            ...headers,
          },
        },
        (incoming) => {
          let received = '';
          incoming.setEncoding('utf8').on('data', (chunk: string) => (received += chunk));
          incoming.on('error', reject);
          incoming.on('end', () =>
            resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: parsed(received) }),
          );
        },
      );
      outgoing.on('timeout', () => outgoing.destroy(new Error(`${method} ${path}: no answer`)));
      outgoing.on('error', reject);
      outgoing.end(text);
    });
  }

  /** Lets go of its connections. */
  close(): void {
    this.#agent.destroy();
  }
}

function parsed(text: string): unknown {
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
