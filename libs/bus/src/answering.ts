/**
 * Runs the handlers of served subjects: at most `answersMax` of a connection at once, more are refused with
 * `BUS_OVERLOADED`, so that a flood of questions is not held in memory. A reply is either bytes or the code
 * of what went wrong; the text of a handler's error stays here, with `onError`.
 */
import { BusError, type BusErrorCode } from './bus-error.ts';
import { decodeBody, encodeBody } from './body.ts';

/** Most handlers of one connection that run at the same time. */
export const answersMax = 1024;

/** What goes back to the asker. */
export type Reply = { bytes: Uint8Array } | { code: BusErrorCode };

/** Is told of what nobody waits for: handlers that throw, bodies that are not JSON, what the server denied. */
export type OnError = (error: unknown) => void;

type Handler = (body: unknown, subject: string) => Promise<unknown>;

/** The running handlers of one connection. */
export class Answering {
  readonly #running = new Set<Promise<Reply>>();
  readonly #onError: OnError;

  constructor(onError: OnError) {
    this.#onError = onError;
  }

  /** Never rejects. */
  answer(subject: string, bytes: Uint8Array, handler: Handler): Promise<Reply> {
    if (this.#running.size >= answersMax) return Promise.resolve({ code: 'BUS_OVERLOADED' });
    const answer = this.#run(subject, bytes, handler).finally(() => this.#running.delete(answer));
    this.#running.add(answer);
    return answer;
  }

  /** Resolves when no handler runs any more. */
  async drained(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #run(subject: string, bytes: Uint8Array, handler: Handler): Promise<Reply> {
    let failure: BusErrorCode = 'BUS_BODY_INVALID';
    try {
      const body = decodeBody(bytes, subject);
      failure = 'BUS_HANDLER_FAILED';
      const result = await handler(body, subject);
      failure = 'BUS_MESSAGE_TOO_LARGE';
      return { bytes: encodeBody(result, subject) };
    } catch (error) {
      this.#onError(error);
      return { code: failure };
    }
  }
}

/** The error that a reply's code stands for. */
export function replyError(code: string, subject: string): BusError {
  switch (code) {
    case 'BUS_OVERLOADED':
      return new BusError('BUS_OVERLOADED', `whoever serves ${subject} has too many questions at once`);
    case 'BUS_MESSAGE_TOO_LARGE':
      return new BusError('BUS_MESSAGE_TOO_LARGE', `the reply of ${subject} is too long`);
    case 'BUS_BODY_INVALID':
      return new BusError('BUS_BODY_INVALID', `whoever serves ${subject} could not read the question`);
    default:
      return new BusError('BUS_HANDLER_FAILED', `whoever serves ${subject} failed; the cause is in its log`);
  }
}

/** Used where no `onError` is given: a warning of the process. */
export function warnOfError(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
