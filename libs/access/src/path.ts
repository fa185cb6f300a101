/**
 * Paths of rules and of requests. A request's path can be read in more than one way: a server may or may not decode
 * `%2e%2e`, drop `;parameters`, join `//`, or take `\` for `/`. Both readings are kept, and who compares them asks
 * for all of them to allow and for any of them to deny. The query is no part of it.
 */

/** The plain reading (only `.`, `..` and `//` resolved) and the decoded one. */
export type PathReadings = readonly [plain: string, decoded: string];

/** Both readings of a path. */
export function readPath(path: string): PathReadings {
  const bare = path.replace(/[?#].*$/s, '');
  const decoded = decode(bare)
    .replaceAll('\\', '/')
    .replaceAll(/;[^/]*/g, '');
  return [resolve(bare), resolve(decoded)];
}

/** Whether the path begins with the prefix: in every reading to allow, in any of them to deny. */
export function pathBegins(path: PathReadings, prefix: PathReadings, action: 'allow' | 'deny'): boolean {
  const plain = path[0].startsWith(prefix[0]);
  const decoded = path[1].startsWith(prefix[1]);
  return action === 'allow' ? plain && decoded : plain || decoded;
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path.replaceAll(/%[0-9a-f]{2}/gi, (code) =>
      String.fromCharCode(Number.parseInt(code.slice(1), 16)),
    );
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
