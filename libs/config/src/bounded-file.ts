/** Reads small files that people point a program at: the size is bounded before anything is kept, pipes included. */
import { closeSync, openSync, readSync } from 'node:fs';
import { decodeText } from '@postern/share';

/** How a program's files are read; tests pass their own. Throws what `node:fs` throws, or a RangeError past the bound. */
export type ReadFile = (path: string, bytesMax: number) => string;

/** The most that a settings file may hold. */
export const configFileBytesMax = 1024 * 1024;

/** The most that a secret's file may hold. */
export const secretFileBytesMax = 64 * 1024;

/** The text of a file of at most `bytesMax` bytes: UTF-8, or UTF-16 where a BOM says so. A BOM is none of the text. */
export const readBoundedFile: ReadFile = (path, bytesMax) =>
  decodeText(readBoundedBytes(path, bytesMax), 'utf-8');

/**
 * The same where a character that is lost must not pass: a password, rules. Throws a TypeError where it is neither.
 */
export const readBoundedText: ReadFile = (path, bytesMax) => {
  const bytes = readBoundedBytes(path, bytesMax);
  try {
    return decodeText(bytes, 'utf-8', { fatal: true });
  } catch (cause) {
    throw new TypeError('it is not text in UTF-8: save it as that', { cause });
  }
};

/** The bytes of a file of at most `bytesMax`; a device, whose size says 0, is read no further either. */
export function readBoundedBytes(path: string, bytesMax: number): Buffer {
  const descriptor = openSync(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(bytesMax + 1);
    let length = 0;
    for (;;) {
      const count = readSync(descriptor, buffer, length, buffer.length - length, null);
      length += count;
      if (length > bytesMax) throw new RangeError(`it is longer than ${bytesMax} bytes`);
      if (count === 0) return buffer.subarray(0, length);
    }
  } finally {
    closeSync(descriptor);
  }
}

/** A secret's text from its file: bounded, whole, without the line break that editors and `echo` add. */
export function readSecretFile(path: string, readFile: ReadFile = readBoundedText): string {
  return readFile(path, secretFileBytesMax).replace(/\r?\n$/, '');
}
