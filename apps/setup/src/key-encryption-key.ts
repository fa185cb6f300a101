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
      if (text.trim() === '') throw new SetupError('SETUP_KEY_REFUSED', 'stdin had no key');
      if (certstore.has(name)) throw new SetupError('SETUP_KEY_REFUSED', 'there is a key already');
      certstore.write(name, text);
    },
  };
}
