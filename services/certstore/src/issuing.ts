/**
 * What certstore answers to the platform's own parts before they have a certificate: which CA they are to believe, and a
 * certificate of their own, for a node's links or for a server. Each is counted and in the log, given or refused; and none is
 * given of a CA that is not this platform's any more, because its documents were restored a moment ago.
 */
import type { Subscription } from '@postern/bus';
import {
  ServiceError,
  answer,
  getCa,
  issueNodeCertificate,
  issueServerCertificate,
  type IssuedCertificate,
} from '@postern/contracts';
import type { FeedOwner } from '@postern/replica';
import type { Logger } from '@postern/telemetry';
import type { Authorities, AuthorityName } from './authority/authority.ts';
import { type Issuer, demandOwnName } from './authority/issuer.ts';
import { certstoreError } from './errors.ts';
import type { CertstoreMetrics } from './metrics.ts';

/** What is needed to answer them. */
export interface IssuingParts {
  readonly feed: FeedOwner;
  readonly authorities: Authorities;
  readonly issuer: Issuer;
  /** The group in which one of several certstores answers. */
  readonly queue: string;
  readonly logger: Logger;
  readonly metrics: CertstoreMetrics;
}

type NodeRequest = Parameters<Issuer['issueNode']>[0];

/** Answers until the subscriptions are closed. */
export function answerThoseWithoutCertificate(parts: IssuingParts): Subscription[] {
  const { feed, issuer, queue, logger } = parts;
  const bus = feed.attendance;
  const onError = (error: unknown): void => logger.error({ error }, 'a question could not be answered');
  const { certificatePem: pem, fingerprint, notAfter } = parts.authorities.platform;
  const ca = { pem, fingerprint, notAfter: notAfter.toISOString() };
  const caNow = async (): Promise<typeof ca> => {
    await demandCurrent(feed);
    return ca;
  };
  const issueNode = (o: NodeRequest): Promise<IssuedCertificate> =>
    watch(parts, 'cluster', o.holder.name, () => issuer.issueNode(o));
  const issueOwn = (o: NodeRequest, subject: string): Promise<IssuedCertificate> => {
    demandOwnName(o.holder, subject);
    return issueNode(o);
  };
  return [
    answer(bus, getCa, caNow, { queue, onError }),
    answer(
      bus,
      issueServerCertificate,
      (o) => watch(parts, 'platform', o.holder.name, () => issuer.issueServer(o)),
      { queue, onError },
    ),
    answer(bus, issueNodeCertificate, issueNode, { queue, onError }),
    answer(bus, issueNodeCertificate, issueOwn, { queue, onError, suffix: '*' }),
  ];
}

async function watch<T extends { fingerprint: string; notAfter: string }>(
  { feed, logger, metrics }: IssuingParts,
  authority: AuthorityName,
  holder: string,
  issue: () => Promise<T>,
): Promise<T> {
  try {
    await demandCurrent(feed);
    const issued = await issue();
    const { fingerprint, notAfter } = issued;
    metrics.issued(authority);
    logger.info({ authority, holder, fingerprint, notAfter }, 'a certificate was issued');
    return issued;
  } catch (error) {
    const { code, message } = ServiceError.from(error);
    metrics.refused(code);
    logger.warn({ authority, holder, code, reason: message }, 'a signing request was refused');
    throw error;
  }
}

/** Nobody is given a certificate of a CA that is not this platform's any more. */
async function demandCurrent(feed: FeedOwner): Promise<void> {
  if (await feed.isCurrent()) return;
  throw certstoreError(
    'CERTSTORE_RESTORED',
    'the documents were restored a moment ago and are loaded anew: ask again',
  );
}
