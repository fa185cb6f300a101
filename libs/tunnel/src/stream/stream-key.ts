/** Keys of streams: 128 random bits each, drawn by the page, since a draw costs more than its bytes. */
import { randomFillSync } from 'node:crypto';
import { keyBytes } from '../frame/frame.ts';

const page = Buffer.alloc(256 * keyBytes);
let drawn = page.length;

/** A fresh key in hexadecimal. What was handed out is wiped from the page. */
export function newStreamKey(): string {
  if (drawn === page.length) {
    randomFillSync(page);
    drawn = 0;
  }
  const key = page.toString('hex', drawn, drawn + keyBytes);
  page.fill(0, drawn, drawn + keyBytes);
  drawn += keyBytes;
  return key;
}
