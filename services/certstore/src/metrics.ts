/** What certstore counts. */
import type { Metrics } from '@postern/telemetry';
import type { Authorities, AuthorityName } from './authority/authority.ts';
import type { Expiring } from './expiry-watch.ts';

/** The metrics of one certstore. */
export interface CertstoreMetrics {
  issued(authority: AuthorityName): void;
  refused(code: string): void;
  answered(question: string, result: string): void;
}

/** Makes them in the program's registry; `authorities` is null until they are loaded. */
export function certstoreMetrics(
  metrics: Metrics,
  authorities: () => Authorities | null,
  expiring: () => readonly Expiring[],
): CertstoreMetrics {
  // How many certificates each CA signed.
  const issued = metrics.counter({
    name: 'postern.certstore.certificates_issued',
    unit: '{certificate}',
    help: 'Certificates signed, by CA.',
    labels: ['authority'],
  });
  // How many requests were refused, by error code.
  const refused = metrics.counter({
    name: 'postern.certstore.requests_refused',
    unit: '{request}',
    help: 'Signing requests refused, by error code.',
    labels: ['code'],
  });
  // Every question about operators' certificates, with how it ended.
  const answered = metrics.counter({
    name: 'postern.certstore.questions',
    unit: '{question}',
    help: 'Questions answered about certificates, by subject and result.',
    labels: ['subject', 'result'],
  });
  // When each CA ends, so that an alert can come in time.
  metrics.gauge({
    name: 'postern.certstore.authority_not_after',
    unit: 's',
    help: 'End of a CA certificate, in seconds since 1970.',
    labels: ['authority'],
    read: () =>
      Object.values(authorities() ?? {}).map(({ name, notAfter }) => ({
        value: notAfter.getTime() / 1000,
        labels: { authority: name },
      })),
  });
  // When each certificate ends that does so within 30 days.
  metrics.gauge({
    name: 'postern.certstore.certificate_not_after',
    unit: 's',
    help: 'End of a certificate that ends within 30 days, in seconds since 1970.',
    labels: ['id', 'name'],
    read: () =>
      expiring().map(({ id, name, notAfter }) => ({
        value: notAfter.getTime() / 1000,
        labels: { id, name },
      })),
  });
  return {
    issued: (authority) => issued.inc({ authority }),
    refused: (code) => refused.inc({ code }),
    answered: (subject, result) => answered.inc({ subject, result }),
  };
}
