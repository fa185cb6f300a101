/**
 * docs/PROTOCOL.md as tests read it: its hexadecimal examples and its tables. In an example a line is bytes,
 * `;` begins a comment; in a session the first word of a frame's first line says who sends it.
 */
import { readFileSync } from 'node:fs';

const page = readFileSync(new URL('../../../../docs/PROTOCOL.md', import.meta.url), 'utf8');

/** The bytes of the example of that name. */
export function exampleBytes(name: string): Buffer {
  return Buffer.from(exampleLines(name).map(bytesOfLine).join(''), 'hex');
}

/** The frames of the worked session, in order, with who sends them. */
export function sessionExample(): { from: 'node' | 'client'; frame: Buffer }[] {
  const frames: { from: 'node' | 'client'; hex: string }[] = [];
  for (const line of exampleLines('session')) {
    const from = /^(node|client) /.exec(line)?.[1] as 'node' | 'client' | undefined;
    if (from !== undefined) frames.push({ from, hex: '' });
    const last = frames.at(-1);
    if (last !== undefined) last.hex += bytesOfLine(line.replace(/^(node|client) /, ''));
  }
  return frames.map(({ from, hex }) => ({ from, frame: Buffer.from(hex, 'hex') }));
}

/** The rows of the first table below a heading whose first column has this title, cells without backticks. */
export function tableRows(heading: string, firstColumn: string): string[][] {
  const from = page.indexOf(`\n${heading}\n`);
  const start = page.indexOf(`\n| ${firstColumn} |`, from);
  if (from < 0 || start < 0) throw new Error(`no table ${firstColumn} below ${heading}`);
  const lines = page.slice(start + 1).split('\n');
  const end = lines.findIndex((line) => !line.startsWith('|'));
  return lines.slice(2, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  );
}

function exampleLines(name: string): string[] {
  const found = new RegExp(`^\`\`\`hex ${name}\\n([^]*?)^\`\`\``, 'm').exec(page)?.[1];
  if (found === undefined) throw new Error(`no example ${name} in docs/PROTOCOL.md`);
  return found.trimEnd().split('\n');
}

function bytesOfLine(line: string): string {
  return line.replace(/;.*$/, '').replaceAll(' ', '');
}
