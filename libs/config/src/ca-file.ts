/** The file of the CAs that a program is to believe. One that holds none is refused: Node would believe the public ones. */
import { X509Certificate } from 'node:crypto';
import { readBoundedFile } from './bounded-file.ts';

const caFileBytesMax = 1024 * 1024;
const pemBlock = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Its text (PEM). Throws a TypeError that names the file where it has no certificate, or one that cannot be read. */
export function readCaFile(path: string): string {
  try {
    const text = readBoundedFile(path, caFileBytesMax);
    const blocks = text.match(pemBlock) ?? [];
    if (blocks.length === 0) throw new TypeError('there is no certificate in it (PEM)');
    blocks.map((block) => new X509Certificate(block));
    return text;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TypeError(`the file of the CA, ${path}: ${why}`, { cause });
  }
}
