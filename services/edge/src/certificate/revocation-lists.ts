/**
 * Revocation lists of client CAs: those that a destination has in its settings, and those that nodes fetch for it from a
 * URL. A URL is fetched by every node that serves the destination, from hosts that the node's settings name and no
 * others, without redirects, bounded in bytes and time, again every quarter of an hour, and every half a minute once its
 * list is about to end. Lists count that a client CA of such a destination signed, and no others: anybody on the way could
 * have made one, which would keep all callers out. When that fails the last one stands, and so does that of a CA of which
 * there was none this time, or an older one; OpenSSL itself refuses callers when it is past its next update. While a list
 * was never fetched nobody is let in: a front that is to refuse revoked certificates must not begin by letting them in.
 */
import type { FrontRoute } from '@postern/contracts';
import type { Logger } from '@postern/telemetry';
import { type RevocationListRead, readSignedLists } from '@postern/tls/accept';
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
  /** The client CAs that are at this node, and which of them is another. */
  certificates: {
    get(id: string): { readonly chainPem: string } | undefined;
    observe(observer: (id: string) => void): () => void;
  };
  logger: Logger;
}

type Lists = Extract<RevocationListRead, { kind: 'lists' }>;
type FrontTls = FrontRoute['front']['tls'];

/** The lists of all destinations. */
export class RevocationLists {
  readonly #parts: RevocationListsParts;
  readonly #named = new Map<string, FrontTls>();
  readonly #fetched = new Map<string, FetchedList>();
  readonly #observing: () => void;

  constructor(parts: RevocationListsParts) {
    this.#parts = parts;
    this.#observing = parts.certificates.observe((id) => {
      for (const [url, list] of this.#fetched) if (this.#caIds(url).includes(id)) list.askAgain();
    });
  }

  /** A destination is new or another; null when it is gone. Its URLs are fetched from now on. */
  apply(destinationId: string, route: FrontRoute | null): void {
    const tls = route?.front.tls.mode === 'mutual' ? route.front.tls : null;
    const urls = tls?.revocationListUrls ?? [];
    const known = new Map(urls.map((url) => [url, this.#caIds(url)]));
    if (tls === null || urls.length === 0) this.#named.delete(destinationId);
    else this.#named.set(destinationId, tls);
    const wanted = new Set([...this.#named.values()].flatMap(({ revocationListUrls }) => revocationListUrls));
    for (const [url, list] of this.#fetched) {
      if (wanted.has(url)) continue;
      list.stop();
      this.#fetched.delete(url);
    }
    for (const url of urls) {
      const list = this.#fetched.get(url);
      if (list === undefined)
        this.#fetched.set(url, new FetchedList(url, this.#parts, () => this.#casOf(url)));
      else if (this.#caIds(url).some((id) => known.get(url)?.includes(id) !== true)) list.askAgain();
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
    this.#observing();
    for (const list of this.#fetched.values()) list.stop();
    this.#fetched.clear();
  }

  /** The client CAs of the destinations that name the URL. */
  #caIds(url: string): string[] {
    const named = [...this.#named.values()].filter((tls) => tls.revocationListUrls.includes(url));
    return [...new Set(named.flatMap(({ clientCaIds }) => clientCaIds))];
  }

  #casOf(url: string): string[] {
    const held = this.#caIds(url).map((id) => this.#parts.certificates.get(id));
    return held.flatMap((ca) => (ca === undefined ? [] : [ca.chainPem]));
  }
}

class FetchedList {
  fault: string | null = null;
  readonly #url: string;
  readonly #parts: RevocationListsParts;
  readonly #stopping = new AbortController();
  readonly #newest = new NewestLists();
  readonly #cas: () => string[];
  #held: Lists | null = null;
  #timer: NodeJS.Timeout | undefined;
  #isAsking = false;
  #isBehind = false;

  constructor(url: string, parts: RevocationListsParts, cas: () => string[]) {
    this.#url = url;
    this.#parts = parts;
    this.#cas = cas;
    // What the settings refuse is told before the client CAs are here: whoever makes the front asks only then.
    const refusal = refusalOf(url, parts.hosts);
    if (refusal === null && cas().length === 0)
      this.fault = 'the client CAs that sign it have not come to this node yet';
    else void this.#refresh();
  }

  stop(): void {
    this.#stopping.abort();
    clearTimeout(this.#timer);
  }

  /** The CAs are others. */
  askAgain(): void {
    clearTimeout(this.#timer);
    if (this.#isAsking) this.#isBehind = true;
    else void this.#refresh();
  }

  get pem(): string | null {
    return this.#held?.pem ?? null;
  }

  async #refresh(): Promise<void> {
    const { logger, hosts } = this.#parts;
    this.#isAsking = true;
    this.#isBehind = false;
    try {
      const bytes = await fetchList(this.#url, hosts, this.#stopping.signal);
      const cas = this.#cas();
      const found = await readLists(bytes, cas);
      const { taken, fault } = this.#newest.take(found.byCa, new Date());
      const byCa = new Map([...(this.#held?.byCa ?? []), ...taken]);
      // Read once more, so that a CA that has left takes its list with it.
      const held = await readLists(Buffer.from([...byCa.values()].map(({ pem }) => pem).join('')), cas);
      const { pem, nextUpdate } = held;
      if (pem !== this.pem) logger.info({ url: this.#url, nextUpdate }, 'a revocation list was fetched');
      this.#held = held;
      if (fault !== null) throw new Error(fault);
      this.fault = null;
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      const fault = faultText(error);
      if (fault !== this.fault)
        logger.warn({ url: this.#url, fault }, 'a revocation list could not be fetched');
      this.fault = fault;
    }
    if (this.#stopping.signal.aborted) return;
    if (this.#isBehind) return this.#refresh();
    this.#isAsking = false;
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

async function readLists(bytes: Buffer, cas: readonly string[]): Promise<Lists> {
  const read = await readSignedLists(bytes, cas);
  if (read.kind === 'invalid') throw new Error(`it ${read.fault}`);
  return read;
}

/** `fetch` says that it failed, and why only behind that: the certificate, the name, the redirect. */
function faultText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, cause } = error;
  if (!(cause instanceof Error)) return message;
  // Where several addresses were tried there is no message of all.
  const { code = 'no code' } = cause as NodeJS.ErrnoException;
  return `${message}: ${cause.message === '' ? code : cause.message}`;
}

function refusalOf(url: string, hosts: readonly string[]): string | null {
  const { hostname } = new URL(url);
  return hosts.includes(hostname)
    ? null
    : `this node's setting revocationListHosts does not name the host ${hostname}`;
}

async function fetchList(url: string, hosts: readonly string[], stop: AbortSignal): Promise<Buffer> {
  const refusal = refusalOf(url, hosts);
  if (refusal !== null) throw new Error(refusal);
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
  return Buffer.concat(chunks);
}
