/**
 * The TLS defaults of the whole platform, in one place. AES-128-GCM goes first: it is as good as unbroken, and the
 * cheapest per byte where the processor has AES. Nothing below TLS 1.2 is spoken; tunnels and relays speak 1.3 only.
 */
import type { SecureContextOptions } from 'node:tls';

/** The protocol versions, ciphers and curves of every server and client of ours. */
const tlsDefaults = {
  minVersion: 'TLSv1.2',
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-CHACHA20-POLY1305',
  ].join(':'),
  honorCipherOrder: true,
} as const satisfies SecureContextOptions;

/** The same for tunnels and relays, where both ends are ours. */
const tunnelTlsDefaults = {
  ...tlsDefaults,
  minVersion: 'TLSv1.3',
} as const satisfies SecureContextOptions;

/** Whom a context speaks for and whom it believes. */
export interface ContextOptions {
  /** The certificate and what leads to its CA, PEM; a client may have none. */
  chainPem?: string;
  keyPem?: string;
  /** The CAs to believe, PEM; node's own list where none is given. */
  caPem?: string;
  /** TLS 1.3 only. */
  tunnel?: boolean;
}

/** Options for `tls.createServer`, `tls.connect` and the like: the defaults, and these certificates. */
export function contextOptions(options: ContextOptions = {}): SecureContextOptions {
  return {
    ...(options.tunnel === true ? tunnelTlsDefaults : tlsDefaults),
    ...(options.chainPem === undefined ? {} : { cert: options.chainPem }),
    ...(options.keyPem === undefined ? {} : { key: options.keyPem }),
    ...(options.caPem === undefined ? {} : { ca: options.caPem }),
  };
}
