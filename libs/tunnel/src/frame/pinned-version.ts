/** Frames of a former version of the protocol, as they were pinned (pinned/version-N.hex); for tests. */
import { readFileSync } from 'node:fs';

/** One frame, with who sends it where that matters. */
export interface PinnedFrame {
  readonly from: 'node' | 'client' | null;
  readonly bytes: Buffer;
}

/** The sections of a pinned version by name, each with its frames in order. */
export function pinnedVersion(version: number): ReadonlyMap<string, readonly PinnedFrame[]> {
  const text = readFileSync(new URL(`../pinned/version-${version}.hex`, import.meta.url), 'utf8');
  const sections = new Map<string, PinnedFrame[]>();
  for (const section of text.split(/^\[/m).slice(1)) {
    const [name = '', ...lines] = section.split('\n');
    sections.set(name.slice(0, -1), framesOf(lines));
  }
  return sections;
}

function framesOf(lines: readonly string[]): PinnedFrame[] {
  const frames: { from: PinnedFrame['from']; hex: string }[] = [];
  for (const line of lines) {
    const [, from, rest = ''] = /^(node|client)?\s*([^;]*)/.exec(line) ?? [];
    if (from !== undefined || frames.length === 0)
      frames.push({ from: (from ?? null) as PinnedFrame['from'], hex: '' });
    const last = frames.at(-1);
    if (last !== undefined) last.hex += rest.replaceAll(' ', '');
  }
  return frames.map(({ from, hex }) => ({ from, bytes: Buffer.from(hex, 'hex') }));
}
