/**
 * Revocation lists of client CAs: those that a destination has in its settings, and those that nodes fetch for it from a
 * URL. A URL is fetched by every node that serves the destination, from hosts that the node's settings name and no
 * others, without redirects, bounded in bytes and time, again every quarter of an hour, and every half a minute once its
 * list is about to end. When that fails the last one stands; OpenSSL itself refuses callers when it is past its next
 * update. While a list was never fetched nobody is let in: a front that is to refuse revoked certificates must not begin by letting them in.
 */
import type { FrontRoute } from '@postern/contracts';
import type { Logger } from '@postern/telemetry';
import { type RevocationListRead, readRevocationLists } from '@postern/tls/accept';
import { turnedAway } from '../errors.ts';
import { NewestLists } from './newest-lists.ts';

const listBytesMax = 1024 * 1024;
const fetchTimeoutMs = 10_000;
const fetchAgainMs = 15 * 60_000;
const retryMs = 30_000;

/** What it needs. */
export interface RevocationListsParts {
  /** Host names from which lists may be fetched. */
  hosts: readonly string[];
  logger: Logger;
}

type Lists = Extract<RevocationListRead, { kind: 'lists' }>;
type FrontTls = FrontRoute['front']['tls'];

/** The lists of all destinations. */
export class RevocationLists {
  readonly #parts: RevocationListsParts;
  readonly #urls = new Map<string, readonly string[]>();
  readonly #fetched = new Map<string, FetchedList>();

  constructor(parts: RevocationListsParts) {
    this.#parts = parts;
  }

  /** A destination is new or another; null when it is gone. Its URLs are fetched from now on. */
  apply(destinationId: string, route: FrontRoute | null): void {
    const urls = route?.front.tls.mode === 'mutual' ? route.front.tls.revocationListUrls : [];
    if (urls.length === 0) this.#urls.delete(destinationId);
    else this.#urls.set(destinationId, urls);
    const wanted = new Set([...this.#urls.values()].flat());
    for (const [url, list] of this.#fetched) {
      if (wanted.has(url)) continue;
      list.stop();
      this.#fetched.delete(url);
    }
    for (const url of urls) {
      if (!this.#fetched.has(url)) this.#fetched.set(url, new FetchedList(url, this.#parts));
    }
  }

  /** The lists of a destination as PEM; throws `TurnedAway` while one is missing. */
  of(destinationId: string, { revocationLists, revocationListUrls }: FrontTls): string[] {
    const fetched = revocationListUrls.map((url) => {
      const list = this.#fetched.get(url);
      if (list?.pem !== null && list !== undefined) return list.pem;
      const why = list?.fault ?? 'it was not fetched yet';
      const text = `the revocation list ${url} of destination ${destinationId} is not here: ${why}`;
      throw turnedAway('EDGE_REVOCATION_LIST', text);
    });
    return [...revocationLists, ...fetched];
  }

  /** Fetches no more. Idempotent. */
  stop(): void {
    for (const list of this.#fetched.values()) list.stop();
    this.#fetched.clear();
  }
}

class FetchedList {
  fault: string | null = null;
  readonly #url: string;
  readonly #parts: RevocationListsParts;
  readonly #stopping = new AbortController();
  readonly #newest = new NewestLists();
  #held: Lists | null = null;
  #timer: NodeJS.Timeout | undefined;

  constructor(url: string, parts: RevocationListsParts) {
    this.#url = url;
    this.#parts = parts;
    void this.#refresh();
  }

  stop(): void {
    this.#stopping.abort();
    clearTimeout(this.#timer);
  }

  get pem(): string | null {
    return this.#held?.pem ?? null;
  }

  async #refresh(): Promise<void> {
    const { logger, hosts } = this.#parts;
    try {
      const found = await fetchList(this.#url, hosts, this.#stopping.signal);
      this.#newest.take(found.made, new Date());
      const { pem, nextUpdate } = found;
      if (pem !== this.pem) logger.info({ url: this.#url, nextUpdate }, 'a revocation list was fetched');
      this.#held = found;
      this.fault = null;
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      const fault = error instanceof Error ? error.message : String(error);
      if (fault !== this.fault)
        logger.warn({ url: this.#url, fault }, 'a revocation list could not be fetched');
      this.fault = fault;
    }
    if (this.#stopping.signal.aborted) return;
    const delayMs = this.fault === null ? fetchDelayMs(this.#held?.nextUpdate ?? null, Date.now()) : retryMs;
    this.#timer = setTimeout(() => void this.#refresh(), delayMs).unref();
  }
}

/**
 * How long after one was fetched the next is. From shortly before the list that is here ends, it is asked for again and
 * again: many CAs make the next one only then, and until it is here nobody is let in.
 */
export function fetchDelayMs(nextUpdate: Date | null, now: number): number {
  if (nextUpdate === null) return fetchAgainMs;
  return Math.min(fetchAgainMs, Math.max(retryMs, nextUpdate.getTime() - retryMs - now));
}

async function fetchList(url: string, hosts: readonly string[], stop: AbortSignal): Promise<Lists> {
  const { hostname } = new URL(url);
  if (!hosts.includes(hostname))
    throw new Error(`this node's setting revocationListHosts does not name the host ${hostname}`);
  const signal = AbortSignal.any([stop, AbortSignal.timeout(fetchTimeoutMs)]);
  const answer = await fetch(url, { signal, redirect: 'error' });
  if (!answer.ok) throw new Error(`it was answered with status ${answer.status}`);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length;
    if (bytes > listBytesMax) throw new Error(`it is longer than ${listBytesMax} bytes`);
    chunks.push(chunk);
  }
  const read = readRevocationLists(Buffer.concat(chunks));
  if (read.kind === 'invalid') throw new Error(`it ${read.fault}`);
  return read;
}
