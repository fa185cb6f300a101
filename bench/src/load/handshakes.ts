// New TLS connections through a front with openssl s_time: each asks for one small page and is closed.

import { type Front, placeOf } from '../peers/peer.ts';
import { run } from '../program.ts';

/** Each makes one connection after the other. */
const callers = 4;
const graceMs = 30_000;

/** Connections a second; `reuse` resumes the session of the one before. */
export async function handshakesPerSecond(
  front: Front,
  { reuse, seconds }: { reuse: boolean; seconds: number },
): Promise<number> {
  const how = [reuse ? '-reuse' : '-new', '-time', String(seconds), '-www', '/'];
  const { host, port } = placeOf(front);
  const args = ['s_time', '-connect', `${host}:${port}`, ...how];
  const printed = await Promise.all(
    Array.from({ length: callers }, () => run({ file: 'openssl', args }, seconds * 1000 + graceMs)),
  );
  return printed.map(parseTimes).reduce((sum, one) => sum + one.connections / one.seconds, 0);
}

/** Finds what s_time counted; the real seconds are its own measure, one more than were asked for. */
export function parseTimes(text: string): { connections: number; seconds: number } {
  const [, connections = '0', seconds = '0'] = /^(\d+) connections in (\d+) real seconds/m.exec(text) ?? [];
  if (connections === '0' || seconds === '0')
    throw new Error(`openssl s_time made no connection: ${text.slice(-300)}`);
  return { connections: Number(connections), seconds: Number(seconds) };
}
