/**
 * Subjects as in NATS: tokens joined by dots, `*` for one token and a last `>` for one or more.
 * Checked here because a subject is written onto the wire as it is: a space or a line break in a name that
 * came from outside would be a command of its own.
 */
import { BusError } from './bus-error.ts';

/** Longest subject, in bytes. */
const subjectBytesMax = 512;

/** Throws `BUS_SUBJECT_INVALID` unless it is one concrete subject. */
export function checkSubject(subject: string): void {
  if (!isPattern(subject) || subject.split('.').some((token) => token === '*' || token === '>')) {
    throw new BusError('BUS_SUBJECT_INVALID', `not a subject: ${shown(subject)}`);
  }
}

/** Throws `BUS_SUBJECT_INVALID` unless it is a subject, in which wildcards may stand. */
export function checkPattern(pattern: string): void {
  if (!isPattern(pattern)) throw new BusError('BUS_SUBJECT_INVALID', `not a subject: ${shown(pattern)}`);
}

/** Whether the subject is one that the pattern means. */
export function matchesSubject(pattern: string, subject: string): boolean {
  if (pattern === subject) return true;
  const wanted = pattern.split('.');
  const tokens = subject.split('.');
  for (const [index, want] of wanted.entries()) {
    if (want === '>') return tokens.length > index;
    if (want !== '*' && want !== tokens[index]) return false;
    if (tokens[index] === undefined) return false;
  }
  return wanted.length === tokens.length;
}

function isPattern(subject: string): boolean {
  if (typeof subject !== 'string' || Buffer.byteLength(subject) > subjectBytesMax) return false;
  const tokens = subject.split('.');
  return tokens.every((token, index) =>
    token === '>' ? index === tokens.length - 1 : token === '*' || /^[^\s\p{Cc}*>]+$/u.test(token),
  );
}

function shown(subject: unknown): string {
  return (JSON.stringify(subject) ?? String(subject)).slice(0, 100);
}
