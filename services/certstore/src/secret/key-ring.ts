/**
 * All key-encryption keys that this process has. The newest seals; every one opens what it sealed. A ring is a
 * `KeyWrapper` itself, so whoever seals and opens need not know how many there are. Keys are read anew before anything is
 * sealed, which is rare, and once for a key that an envelope names and that is not here: another replica may have been
 * given one a moment ago, and what was sealed under the former after its round would never be sealed anew.
 */
import { certstoreError } from '../errors.ts';
import { type KeyWrapper, localKeyWrapper } from './key-wrapper.ts';

/** Where keys come from: the newest first. Called anew whenever they may have changed. */
export type ReadKeys = () => Promise<KeyWrapper[]>;

/** Keys that can be replaced while they are used. */
export class KeyRing implements KeyWrapper {
  readonly #read: ReadKeys;
  #keys: readonly [KeyWrapper, ...KeyWrapper[]];

  private constructor(read: ReadKeys, keys: readonly [KeyWrapper, ...KeyWrapper[]]) {
    this.#read = read;
    this.#keys = keys;
  }

  /** Reads the keys. Rejects with `CERTSTORE_KEY_INVALID` when there is none or one is no key. */
  static async open(read: ReadKeys): Promise<KeyRing> {
    return new KeyRing(read, nonEmpty(await read()));
  }

  /** That of the newest. */
  get keyId(): string {
    return this.#keys[0].keyId;
  }

  /** Those of all, the newest first. */
  get keyIds(): string[] {
    return this.#keys.map(({ keyId }) => keyId);
  }

  /** Reads the keys anew; what was there stays when they cannot be read. */
  async reload(): Promise<void> {
    this.#keys = nonEmpty(await this.#read());
  }

  async wrap(dataKey: Buffer, context: Buffer): Promise<{ keyId: string; wrapped: Buffer }> {
    await this.reload().catch(() => {});
    return this.#keys[0].wrap(dataKey, context);
  }

  async unwrap(keyId: string, wrapped: Buffer, context: Buffer): Promise<Buffer> {
    const key = this.#find(keyId) ?? (await this.#findAnew(keyId));
    if (key !== undefined) return key.unwrap(keyId, wrapped, context);
    throw certstoreError(
      'CERTSTORE_KEY_WRONG',
      `a stored secret was sealed with the key-encryption key ${printableKeyId(keyId)}, and this process has ${this.keyIds.join(', ')}`,
    );
  }

  isFor(keyId: string): boolean {
    return this.#find(keyId) !== undefined;
  }

  #find(keyId: string): KeyWrapper | undefined {
    return this.#keys.find((key) => key.isFor(keyId));
  }

  async #findAnew(keyId: string): Promise<KeyWrapper | undefined> {
    await this.reload().catch(() => {});
    return this.#find(keyId);
  }
}

/** Keys as a setting has them: base64, one a line, the newest first. Throws `CERTSTORE_KEY_INVALID`. */
export function localKeys(text: string): KeyWrapper[] {
  const lines = text.split(/[\s,]+/).filter((line) => line !== '');
  return (lines.length === 0 ? [''] : lines).map(localKeyWrapper);
}

function nonEmpty([first, ...rest]: readonly KeyWrapper[]): [KeyWrapper, ...KeyWrapper[]] {
  if (first !== undefined) return [first, ...rest];
  throw certstoreError('CERTSTORE_KEY_INVALID', 'there is no key-encryption key');
}

/** The ID as it may be shown: that of a damaged envelope can be anything. */
export function printableKeyId(keyId: string): string {
  return /^[\w:/.-]{1,128}$/.test(keyId) ? keyId : 'of an unknown name';
}
