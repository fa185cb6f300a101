/**
 * The one secret that a restore needs beside the backup. It is made with the others, handed out to be kept elsewhere, and
 * put into a new platform before its first start. One that is there is never replaced: documents may be under it.
 */
import type { SetupSettings } from './config.ts';
import { SetupError } from './errors.ts';
import { SecretFolder } from './secret-folder.ts';

const name = 'key-encryption-key';

/** The key in certstore's folder. */
export function keyEncryptionKey({ folder, serviceUid }: SetupSettings) {
  const certstore = new SecretFolder(folder, 'certstore', serviceUid);
  return {
    read: (): string => certstore.read(name),
    import(text: string): void {
      const keys = text.split(/[\s,]+/).filter((key) => key !== '');
      if (keys.length === 0) throw new SetupError('SETUP_KEY_REFUSED', 'stdin had no key');
      if (!keys.every(isKey))
        throw new SetupError(
          'SETUP_KEY_REFUSED',
          'stdin had no key: one is 32 bytes as base64, several stand one a line',
        );
      if (certstore.has(name)) throw new SetupError('SETUP_KEY_REFUSED', 'there is a key already');
      certstore.write(name, text);
    },
  };
}

/** As certstore takes them. */
function isKey(text: string): boolean {
  return /^[A-Za-z0-9+/]+={0,2}$/.test(text) && Buffer.from(text, 'base64').length === 32;
}
