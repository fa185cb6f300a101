/**
 * One request of a program to another's HTTP API: the answer is text, whole and bounded. The deadline is the signal's, and the
 * connection has one of its own; redirects are not followed, since the headers are for this server only.
 */
import { type IncomingHttpHeaders, request as plainRequest } from 'node:http';
import { type RequestOptions, request } from 'node:https';

/** What is asked, and how. */
export interface ApiRequest extends Pick<RequestOptions, 'agent' | 'ca' | 'headers' | 'method'> {
  readonly signal: AbortSignal;
  readonly body?: string | undefined;
  /** The longest answer, in characters. */
  readonly answerLengthMax: number;
  /** Whether `http:` is an address too. */
  readonly mayBePlain?: boolean;
}

/** What came. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** An end that stands still takes connections and does not speak on them. */
const connectMs = 10_000;

/**
 * Rejects where no whole answer came. Over a connection of an agent that the other end has closed meanwhile it is sent once
 * more, so such an agent is for what may be sent twice; without one it has a connection of its own.
 */
export function sendRequest(url: URL, options: ApiRequest): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const { body, answerLengthMax, mayBePlain = false, agent = false, ...given } = options;
  const start = mayBePlain && url.protocol === 'http:' ? plainRequest : request;
  const outgoing = start(url, { ...given, agent }, (incoming) => {
    let text = '';
    incoming.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (text.length > answerLengthMax) incoming.destroy(new Error('its answer is too long'));
    });
    incoming
      .on('error', fail)
      .on('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text }));
  });
  outgoing.on('upgrade', (_incoming, socket) => {
    socket.destroy();
    fail(new Error('it answers in another protocol'));
  });
  outgoing.once('socket', (socket) => {
    if (outgoing.reusedSocket) return;
    const late = new Error(`no connection within ${connectMs / 1000} s`);
    const timer = setTimeout(() => outgoing.destroy(late), connectMs);
    const stop = () => clearTimeout(timer);
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', stop).once('close', stop);
  });
  outgoing.on('error', fail).end(body);
  return promise;

  function fail(error: NodeJS.ErrnoException): void {
    if (outgoing.reusedSocket && error.code === 'ECONNRESET')
      resolve(sendRequest(url, { ...options, agent: false }));
    else reject(error);
  }
}
