/** Text of files that people made, with whatever editor. */

const byteOrderMarks: ReadonlyMap<string, string> = new Map([
  ['fffe', 'utf-16le'],
  ['feff', 'utf-16be'],
]);

/**
 * Bytes as text: UTF-16 where a BOM says so, as PowerShell writes with `>` and Notepad where it is told "Unicode", and else
 * in the encoding that is named. A BOM is none of the text. Throws a TypeError for what is none where `fatal` is set.
 */
export function decodeText(
  bytes: Buffer,
  encoding: 'utf-8' | 'latin1',
  options: { fatal?: boolean } = {},
): string {
  const marked = byteOrderMarks.get(bytes.toString('hex', 0, 2));
  return new TextDecoder(marked ?? encoding, options).decode(bytes);
}
