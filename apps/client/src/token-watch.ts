/**
 * The security token as its owner has it now: it is read anew for each first call, and looked at every few seconds while
 * all is well, so that a changed one is used without a restart.
 */
import { errorText } from '@postern/dial';
import type { Logger } from '@postern/telemetry';
import { ClientError } from './errors.ts';

const checkMs = 5_000;

/** One for each gateway. */
export class TokenWatch {
  readonly #read: () => string | null;
  readonly #logger: Logger;
  readonly #onChange: () => void;
  /** The one that tunnels were last told of, or that the first of all first calls showed. */
  #shown: string | null | undefined;
  /** The one that was read last: its file may be empty for a moment while another is written. */
  #last: string | null = null;
  #timer: NodeJS.Timeout | undefined;
  /** It has been said that the file has none. */
  #isTold = false;

  constructor(read: () => string | null, logger: Logger, onChange: () => void) {
    this.#read = read;
    this.#logger = logger;
    this.#onChange = onChange;
  }

  /** For a first call; throws `ClientError` where it cannot be read. */
  read(): string | null {
    try {
      const token = this.#read() ?? this.#last;
      this.#last = token;
      // One that another call shows first is told of all the same: there may be tunnels by the former.
      if (this.#shown === undefined) this.#shown = token;
      return token;
    } catch (error) {
      throw new ClientError('CLIENT_TOKEN_FILE', `the security token cannot be read: ${errorText(error)}`, {
        cause: error,
      });
    }
  }

  /** Has `look` called from time to time, which may `check`. */
  start(look: () => void): void {
    this.#timer = setInterval(look, checkMs).unref();
  }

  /** Tells of a token that is another one by now. */
  check(): void {
    if (this.#shown === undefined) return;
    let token: string | null = null;
    try {
      token = this.#read();
    } catch (error) {
      return this.#tellOnce(`cannot be read anew: ${errorText(error)}`);
    }
    // A file that is being written, or was emptied: nobody takes his token away so.
    if (token === null && this.#shown !== null) return this.#tellOnce('is gone: its file is empty');
    this.#isTold = false;
    if (token === this.#shown) return;
    this.#shown = token;
    this.#logger.info('the security token is another one: tunnels are replaced one by one');
    this.#onChange();
  }

  #tellOnce(why: string): void {
    if (!this.#isTold)
      this.#logger.warn(`the security token ${why}; tunnels go on by the one that was shown`);
    this.#isTold = true;
  }

  /** Looks no more. Idempotent. */
  stop(): void {
    clearInterval(this.#timer);
  }
}
