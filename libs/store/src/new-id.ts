/**
 * IDs that sort by creation: ten characters of time in milliseconds, twelve of chance, lower-case base 32
 * (Crockford). Letters and digits only, so an ID is also a DNS label and a bus token. Within a process they grow
 * strictly, also within one millisecond and when the clock is set back; between processes they sort by clock.
 */
import { randomBytes } from 'node:crypto';

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
const chanceBits = 60n;

let lastTime = 0;
let lastChance = 0n;

/** A new ID; `prefix` (letters and digits) says at a glance what it names. IDs with one prefix sort by creation. */
export function newId(prefix = ''): string {
  const time = Date.now();
  if (time > lastTime) {
    lastTime = time;
    lastChance = chance(chanceBits - 1n);
  } else {
    lastChance += 1n + chance(32n);
    if (lastChance >> chanceBits > 0n) {
      lastTime += 1;
      lastChance = chance(chanceBits - 1n);
    }
  }
  return prefix + base32(BigInt(lastTime), 10) + base32(lastChance, 12);
}

function chance(bits: bigint): bigint {
  return randomBytes(8).readBigUInt64BE() >> (64n - bits);
}

function base32(value: bigint, length: number): string {
  let text = '';
  for (let rest = value; text.length < length; rest >>= 5n) text = alphabet.charAt(Number(rest & 31n)) + text;
  return text;
}
