/**
 * Whether a caller's certificate lets it in at a front with mutual TLS. OpenSSL has verified the chain by then, against
 * the client CAs and revocation lists of the destination; here its verdict is read, in plain words, and who it is is
 * held against the destination's patterns. Identity is the leaf's alone.
 *
 * Patterns are `kind:text`: `CN`, `O`, `OU` of the subject; `DNS`, `URI`, `EMAIL`, `IP` of the alternative names. `*`
 * stands for any characters, but in `DNS` for one label's only. One that matches is enough.
 */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { certificateIdentity } from '@postern/tls';
import { callerCertificateFault, subjectText } from '@postern/tls/accept';

/** Why it is not let in; null when it is. */
export function whyNotAllowed(socket: TLSSocket, patterns: readonly string[]): string | null {
  const fault = callerCertificateFault(socket, 'front');
  const certificate = socket.getPeerX509Certificate();
  if (fault !== null || certificate === undefined || patterns.length === 0) return fault;
  const names = namesIn(certificate);
  if (names === null) return "the caller's certificate is valid, and its names cannot be read";
  if (patterns.some((pattern) => names.some((name) => matches(pattern, name)))) return null;
  return `the caller's certificate (${subjectText(certificate)}) is valid, and none of the destination's clientNames matches it`;
}

/** Null where there is one that OpenSSL passes over and the library cannot read. */
function namesIn(certificate: X509Certificate): ReturnType<typeof certificateIdentity> | null {
  try {
    return certificateIdentity(certificate.raw);
  } catch {
    return null;
  }
}

function matches(pattern: string, { kind, text }: { kind: string; text: string }): boolean {
  const colon = pattern.indexOf(':');
  if (kind !== pattern.slice(0, colon).toUpperCase()) return false;
  const glob = pattern.slice(colon + 1);
  if (kind === 'DNS') return matchesLabels(glob.toLowerCase(), text.toLowerCase());
  return kind === 'EMAIL' ? matchesGlob(glob.toLowerCase(), text.toLowerCase()) : matchesGlob(glob, text);
}

/** In a DNS name a `*` stands for characters of one label. */
function matchesLabels(glob: string, name: string): boolean {
  const [globs, labels] = [glob.split('.'), name.split('.')];
  return globs.length === labels.length && globs.every((one, index) => matchesGlob(one, labels[index] ?? ''));
}

/** Piece by piece, each as early as it can be: a regular expression would try all places of each `*`. */
function matchesGlob(glob: string, text: string): boolean {
  const [first = '', ...rest] = glob.split('*');
  const last = rest.pop();
  if (last === undefined) return text === glob;
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last))
    return false;
  let at = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return at + last.length <= text.length;
}
