/** Certificates as a dial needs them: who holds them and how they came is not known here. */

/** One certificate's contents; the same object for as long as they are the same, since contexts are kept by it. */
export interface TlsMaterial {
  readonly id: string;
  readonly revision: number;
  /** The leaf first; of a CA bundle, all of it. */
  readonly chainPem: string;
  readonly keyPem: string | null;
  readonly notAfter: string;
  /** A password, and whom it may be shown to; then there is no certificate. */
  readonly proxy?:
    | {
        readonly host: string;
        readonly port: number;
        readonly username: string;
        readonly password: string;
      }
    | undefined;
}

/** Gives the contents of certificates by ID, in that order; rejects where one cannot be had in time. */
export type MaterialSource = (ids: readonly string[], signal: AbortSignal) => Promise<readonly TlsMaterial[]>;
