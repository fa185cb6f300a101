/** Ports of rules: `5432`, `8000-8100` or `*`. */

/** From and to, both included. */
export interface PortRange {
  from: number;
  to: number;
}

const portMax = 65535;

/** The range, or null when the text is none. Ports begin at 1. */
export function parsePortRange(text: string): PortRange | null {
  if (text === '*') return { from: 1, to: portMax };
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (match === null) return null;
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  return from >= 1 && to <= portMax && from <= to ? { from, to } : null;
}

/** The one way to write a range. */
export function portRangeText({ from, to }: PortRange): string {
  if (from === 1 && to === portMax) return '*';
  return from === to ? String(from) : `${from}-${to}`;
}

/** Whether the range holds the port. */
export function portRangeHolds(range: PortRange, port: number): boolean {
  return port >= range.from && port <= range.to;
}
