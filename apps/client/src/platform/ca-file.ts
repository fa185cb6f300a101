/**
 * The CAs by which the platform is believed, from a file that is read anew for each connection to the platform, as the token
 * is: a CA that was renewed is taken without a restart. A file that is gone or is no CA changes nothing; the log says so once.
 */
import { readCaFile } from '@postern/config';
import { errorText } from '@postern/dial';
import type { Logger } from '@postern/telemetry';
import { splitChain } from '@postern/tls/sealing';

/** The CAs to believe. */
export interface BelievedCa {
  /** PEM, as it was read last; null for the usual ones. */
  readonly pem: string | null;
  /** Called before each connection to the platform. */
  renew(): void;
}

/** CAs that stay as they are, PEM; null for the usual ones. */
export function fixedCa(pem: string | null): BelievedCa {
  return { pem, renew: () => {} };
}

/** Reads a file of CAs. Throws where it has no certificate that can be read, or more than the platform's CAs can be. */
export function readCa(path: string): string {
  const text = readCaFile(path);
  try {
    splitChain(text);
  } catch (cause) {
    throw new TypeError(`the file of the CA, ${path}: ${errorText(cause)}`, { cause });
  }
  return text;
}

/** A file that was read at the start and may be another one since. */
export class CaFile implements BelievedCa {
  readonly #path: string;
  readonly #logger: Pick<Logger, 'info' | 'warn'>;
  #pem: string;
  #fault = '';

  constructor(path: string, pem: string, logger: Pick<Logger, 'info' | 'warn'>) {
    this.#path = path;
    this.#pem = pem;
    this.#logger = logger;
  }

  get pem(): string {
    return this.#pem;
  }

  renew(): void {
    try {
      const pem = readCa(this.#path);
      this.#fault = '';
      if (pem !== this.#pem) this.#logger.info({ file: this.#path }, 'the file of the CA is another one');
      this.#pem = pem;
    } catch (error) {
      const fault = errorText(error);
      if (fault !== this.#fault)
        this.#logger.warn({ error }, 'the file of the CA was not taken; the former CA stays');
      this.#fault = fault;
    }
  }
}
