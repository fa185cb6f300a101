/**
 * The PROXY header that a resource is sent, as its destination says. It is the first of the stream's bytes, before any
 * of the caller's, and made by the edge, who has seen the caller; it goes to the next client too where one says that
 * nothing was reached. With `proxyProtocolFacts`, version 2 carries further facts: the server name and protocol that
 * the caller asked for, the tracking ID, and what its TLS and its verified certificate say.
 */
import type { X509Certificate } from 'node:crypto';
import type { AcceptedCaller, CallerTls } from './accepted-caller.ts';
import { type ProxyFact, writeFact, writeProxyHeader1, writeProxyHeader2 } from '../gate/proxy-header.ts';

/** Types of proxy-protocol.txt, section 2.2. */
const FactType = { Alpn: 0x01, Authority: 0x02, UniqueId: 0x05, Ssl: 0x20 } as const;
const SslFactType = { Version: 0x21, CommonName: 0x22, Cipher: 0x23 } as const;
const clientSpokeSsl = 0x01;
const clientShowedCertificate = 0x02 | 0x04;

/** The header; null where the destination wants none. */
export function proxyHeaderOf(caller: AcceptedCaller): Buffer | null {
  const { proxyProtocol, proxyProtocolFacts } = caller.route.front;
  const ends = { source: caller.address, destination: caller.called };
  switch (proxyProtocol) {
    case 'off':
      return null;
    case 'v1':
      return writeProxyHeader1(ends);
    case 'v2':
      return writeProxyHeader2(ends, proxyProtocolFacts ? factsOf(caller) : []);
  }
}

function factsOf({ tls, serverName, trackingId }: AcceptedCaller): ProxyFact[] {
  return [
    ...text(FactType.Alpn, tls?.protocol),
    ...text(FactType.Authority, serverName),
    ...text(FactType.UniqueId, trackingId),
    ...(tls === null ? [] : [{ type: FactType.Ssl, value: sslFact(tls) }]),
  ];
}

/** Flags, then 0 where a certificate was verified, then what is known. */
function sslFact({ version, cipher, certificate }: CallerTls): Buffer {
  const head = Buffer.alloc(5);
  head[0] = clientSpokeSsl | (certificate === null ? 0 : clientShowedCertificate);
  head.writeUInt32BE(certificate === null ? 1 : 0, 1);
  const facts = [
    ...text(SslFactType.Version, version),
    ...text(SslFactType.Cipher, cipher),
    ...text(SslFactType.CommonName, certificate === null ? null : commonNameOf(certificate)),
  ];
  return Buffer.concat([head, ...facts.map(writeFact)]);
}

/** The last common name of the subject, as `openssl` and haproxy take it. */
function commonNameOf(certificate: X509Certificate): string | null {
  const { CN } = certificate.toLegacyObject().subject;
  return (Array.isArray(CN) ? CN.at(-1) : CN) ?? null;
}

function text(type: number, value: string | null | undefined): ProxyFact[] {
  return value === null || value === undefined || value === '' ? [] : [{ type, value: Buffer.from(value) }];
}
