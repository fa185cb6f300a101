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
  if (fault !== null || certificate === undefined) return fault;
  if (patterns.length === 0 || matchesOne(certificate, patterns)) return null;
  return `the caller's certificate (${subjectText(certificate)}) is valid, and none of the destination's clientNames matches it`;
}

function matchesOne(certificate: X509Certificate, patterns: readonly string[]): boolean {
  const identity = certificateIdentity(certificate.raw);
  return patterns.some((pattern) => {
    const colon = pattern.indexOf(':');
    const kind = pattern.slice(0, colon).toUpperCase();
    const expression = expressionOf(pattern.slice(colon + 1), kind);
    return identity.some((name) => name.kind === kind && expression.test(name.text));
  });
}

function expressionOf(glob: string, kind: string): RegExp {
  const any = kind === 'DNS' ? '[^.]*' : '.*';
  const body = glob
    .split('*')
    .map((part) => RegExp.escape(part))
    .join(any);
  return new RegExp(`^${body}$`, kind === 'DNS' || kind === 'EMAIL' ? 'iu' : 'u');
}
