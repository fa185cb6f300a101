/**
 * Paths of rules and of requests. A request's path can be read in more than one way: a server may or may not decode
 * `%2e%2e`, drop `;parameters` before that or after it, join `//` before dots are resolved or after it, or take `\` for `/`,
 * and it resolves `.` and `..` in what it has then. All readings are kept, and who compares them asks for each of them to
 * allow and for any of them to deny. The query is no part of it.
 */

/** The readings, each at its place; one alone where all are the same. The first is plain: only `.`, `..` and `//` are resolved. */
export type PathReadings = readonly [plain: string, ...others: string[]];

/** What was read last: a request's path is asked of the gateway's list and the client's own, one after the other. */
let last: { path: string; readings: PathReadings } = { path: '/', readings: ['/'] };

/** All readings of a path. */
export function readPath(path: string): PathReadings {
  if (last.path !== path) last = { path, readings: readAnew(path) };
  return last.readings;
}

function readAnew(path: string): PathReadings {
  const bare = path.replace(/[?#].*$/s, '');
  if (!/[%;\\]|\/\//.test(bare)) return [resolve(bare)];
  const stripped = strip(bare);
  const forms = [
    bare,
    stripped,
    decode(bare),
    strip(decode(bare)),
    decode(stripped),
    strip(decode(stripped)),
  ];
  const all = [...forms, ...forms.map((form) => form.replaceAll('\\', '/'))];
  // Most of them are the same, and a path may have thousands of segments.
  const known = new Map<string, { resolved: string; unjoined: string; joined: string }>();
  const read = (form: string): { resolved: string; unjoined: string; joined: string } => {
    const unjoined = removeDots(form);
    return { resolved: resolve(form), unjoined, joined: joinSlashes(unjoined) };
  };
  const readings = all.map((form) => {
    const one = known.get(form) ?? read(form);
    known.set(form, one);
    return one;
  });
  return [
    readings[0]?.resolved ?? '/',
    ...readings.map(({ resolved }) => resolved),
    ...readings.map(({ unjoined }) => unjoined),
    ...readings.map(({ joined }) => joined),
  ];
}

function joinSlashes(path: string): string {
  return path.replaceAll(/\/{2,}/g, '/');
}

/** Drops the parameters of all segments (RFC 3986, 3.3). */
function strip(path: string): string {
  return path.replaceAll(/;[^/]*/g, '');
}

/**
 * The one form in which a request's path is decided on and sent: `.` and `..` are resolved, and letters, digits and
 * `-._~` are never percent-encoded (RFC 3986, 6.2.2). Everything else stays as it is.
 */
export function normalizePath(path: string): string {
  const plain = path.includes('%') ? path.replaceAll(/%[0-9a-fA-F]{2}/g, decodeUnreserved) : path;
  return plain.includes('/.') ? removeDots(plain) : plain;
}

/** A rule's path as requests have theirs: in the one form, and what is no ASCII percent-encoded. */
export function rulePath(path: string): string {
  return normalizePath(
    path.replaceAll(/[\u0080-\u{10ffff}]+/gu, (part) => encodeURIComponent(part.toWellFormed())),
  );
}

/**
 * How long a rule's path is where rules are put in order: without its codes, and of an allow in its shortest reading, of a deny
 * in its longest, as an allow needs all readings and a deny one of them.
 */
export function pathLength(path: PathReadings, action: 'allow' | 'deny'): number {
  const lengths = path.map((reading) => decode(reading).length);
  return action === 'allow' ? Math.min(...lengths) : Math.max(...lengths);
}

/** Whether the path begins with the prefix: in every reading to allow, in any of them to deny. */
export function pathBegins(path: PathReadings, prefix: PathReadings, action: 'allow' | 'deny'): boolean {
  const begins = (index: number): boolean => readingOf(path, index).startsWith(readingOf(prefix, index));
  const indexes = path.length > prefix.length ? path : prefix;
  return action === 'allow'
    ? indexes.every((_, index) => begins(index))
    : indexes.some((_, index) => begins(index));
}

function readingOf(readings: PathReadings, index: number): string {
  return readings[index] ?? readings[0];
}

function decodeUnreserved(code: string): string {
  const character = String.fromCharCode(Number.parseInt(code.slice(1), 16));
  return /[A-Za-z0-9\-._~]/.test(character) ? character : code.toUpperCase();
}

/** RFC 3986, 5.2.4: an empty segment is a segment. */
function removeDots(path: string): string {
  const kept: string[] = [];
  const segments = path.split('/').slice(1);
  for (const [index, segment] of segments.entries()) {
    const last = index === segments.length - 1;
    if (segment === '..') kept.pop();
    if (segment === '.' || segment === '..') {
      if (last) kept.push('');
    } else kept.push(segment);
  }
  return `/${kept.join('/')}`;
}

/** One character of UTF-8 as it is percent-encoded, or one byte. */
const codedCharacter =
  /%[cd][0-9a-f]%[89ab][0-9a-f]|%e[0-9a-f](?:%[89ab][0-9a-f]){2}|%f[0-7](?:%[89ab][0-9a-f]){3}|%[0-9a-f]{2}/gi;

/** Bytes that are no UTF-8 are letters of Latin-1, and what is UTF-8 beside them is that all the same. */
function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path.replaceAll(codedCharacter, decodeCharacter);
  }
}

function decodeCharacter(code: string): string {
  try {
    return decodeURIComponent(code);
  } catch {
    return Buffer.from(code.replaceAll('%', ''), 'hex').toString('latin1');
  }
}

function resolve(path: string): string {
  const kept: string[] = [];
  const segments = path.split('/');
  for (const segment of segments) {
    if (segment === '..') kept.pop();
    else if (segment !== '.' && segment !== '') kept.push(segment);
  }
  const last = segments.at(-1) ?? '';
  const open = last === '' || last === '.' || last === '..';
  return kept.length === 0 ? '/' : `/${kept.join('/')}${open ? '/' : ''}`;
}
