/**
 * How much a process promises to senders and keeps for peers, by the memory that it may have: its machine's, or less where
 * its control group (a container, a unit of systemd) says so. The defaults are of 4 GiB. In a container with less, readers
 * who stand still would have the system end the process, and with it the streams of everybody.
 */
import { totalmem } from 'node:os';
import process from 'node:process';
import { type Limits, defaultLimits } from '../limit.ts';

/** Each stream has its floor of the first, so that it bounds streams too. The rest is the process's own. */
const receivePart = 3 / 8;
const sendPart = 1 / 4;
const freePart = 1 / 8;
const freeBytesDefault = 256 * 1024 * 1024;

/** The bounds of a process that may have so much memory. */
export function memoryLimits(
  memoryBytes: number,
): Pick<Limits, 'receiveBytesPerProcessMax' | 'sendBytesPerProcessMax'> {
  const { receiveBytesPerProcessMax, sendBytesPerProcessMax } = defaultLimits;
  return {
    receiveBytesPerProcessMax: Math.min(receiveBytesPerProcessMax, Math.floor(memoryBytes * receivePart)),
    sendBytesPerProcessMax: Math.min(sendBytesPerProcessMax, Math.floor(memoryBytes * sendPart)),
  };
}

/** How much free memory is kept to be read into again. */
export function freeBytesMax(memoryBytes: number): number {
  return Math.min(freeBytesDefault, Math.floor(memoryBytes * freePart));
}

/** What this process, and those beside it that do the same, may have of the machine's memory. */
export function memoryOfMachine(): number {
  // 0 where nothing says so.
  return Math.min(totalmem(), process.constrainedMemory() || Infinity);
}
