/**
 * TLS to a resource, on a connection that is there: whom to believe and what to show are certificates of the
 * destination. A fault is told with what the resource showed.
 *
 * In TLS 1.3 a server judges the client's certificate after the client has finished, so its refusal comes as an error of
 * the socket later: `explain` reads that. `confirm` waits a little for it, for a dial that carries no stream.
 */
import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { type SecureContext, type TLSSocket, createSecureContext } from 'node:tls';
import {
  type FailurePlace,
  TlsError,
  connectTls,
  contextOptions,
  readTlsFailure,
  strangerText,
} from '@postern/tls/connect';
import { ResetCode } from '@postern/tunnel';
import { ContextCache } from './context-cache.ts';
import type { Deadline } from './deadline.ts';
import { errorText, systemCode } from './error-text.ts';
import type { MaterialSource, TlsMaterial } from './material.ts';
import { type DialingEnd, type Place, ResourceError, connectFault } from './resource-error.ts';
import { type StepListener, takeStep } from './step.ts';

/** How TLS to a resource is to be. */
export interface ResourceTls {
  readonly mode: 'tls' | 'mutual';
  /** The name to ask for and to verify; the resource's host where it is null. */
  readonly serverName: string | null;
  /** The CAs to believe; the system's where there is none. */
  readonly caCertificateIds: readonly string[];
  readonly clientCertificateId: string | null;
  /** False takes whatever the resource shows. */
  readonly rejectUnauthorized: boolean;
}

/** Whose words, whose certificates. */
export interface TlsParts {
  readonly end: DialingEnd;
  readonly material: MaterialSource;
  readonly onStep?: StepListener | undefined;
}

/** A connection over TLS, and what its errors mean. */
export interface Secured {
  readonly socket: TLSSocket;
  readonly explain: (error: NodeJS.ErrnoException) => { code: ResetCode; text: string } | null;
}

const contexts = new ContextCache();
/** What a server may take to refuse a client certificate after the handshake. */
const refusalMs = 500;

/** Resolves when the resource is verified; on failure the socket is destroyed. Rejects with ResourceError, or the signal's reason. */
export async function secureResource(
  parts: TlsParts,
  { socket, target, tls, isTrial }: { socket: Socket; target: Place; tls: ResourceTls; isTrial: boolean },
  deadline: Deadline,
  signal: AbortSignal,
): Promise<Secured> {
  try {
    return await takeStep(
      parts.onStep,
      'TLS',
      async () => {
        const secured = await handshake(parts, { socket, target, tls }, deadline, signal);
        if (isTrial) await confirm(secured, `${target.host}:${target.port}`, signal);
        return secured;
      },
      (secured) => describePeer(secured.socket),
    );
  } catch (error) {
    socket.on('error', () => {}).destroy();
    throw error;
  }
}

async function handshake(
  { end, material }: TlsParts,
  { socket, target, tls }: { socket: Socket; target: Place; tls: ResourceTls },
  deadline: Deadline,
  signal: AbortSignal,
): Promise<Secured> {
  const { host, port } = target;
  const { context, shown } = await contextFor(end, material, tls, deadline, signal);
  const serverName = tls.serverName ?? host;
  const place: FailurePlace = { peer: `${host}:${port}`, serverName, clientCertificate: shown };
  try {
    const secured = await deadline.run(signal, (limited) =>
      connectTls({
        host,
        port,
        socket,
        serverName,
        context,
        place,
        rejectUnauthorized: tls.rejectUnauthorized,
        signal: limited,
      }),
    );
    secured.pause();
    const explainCut = cutExplainer(secured, place);
    return { socket: secured, explain: (error) => explain(error, place) ?? explainCut(error) };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof TlsError)
      throw new ResourceError(ResetCode.TlsFailed, `${error.message}${laterTls(error)}`, { cause: error });
    if (deadline.passed) {
      const text = `${host}:${port} took the connection and gave no answer in TLS within ${target.connectTimeoutSeconds} s: does it speak TLS on this port?`;
      throw new ResourceError(ResetCode.TimedOut, text, { cause: error });
    }
    throw connectFault(end, target, host, error);
  }
}

/** What may be so where the resource takes no ClientHello as its first word, as PostgreSQL, MySQL and mail servers do not. */
function laterTls({ code, cause }: TlsError): string {
  const isCut = code === 'TLS_HANDSHAKE' && systemCode(cause) === 'ECONNRESET';
  if (code !== 'TLS_NOT_TLS' && !isCut) return '';
  return '; where it turns to TLS after a word in plain text (PostgreSQL, MySQL, STARTTLS), the caller does that itself, and the resource is without TLS here (resource.tls.mode "none")';
}

function explain(error: unknown, place: FailurePlace): { code: ResetCode; text: string } | null {
  const failure = readTlsFailure(error, place);
  return failure === null ? null : { code: ResetCode.TlsFailed, text: failure.message };
}

/**
 * Explains a reset that comes before the resource has shown, by a session ticket, that it takes the client with the
 * certificate that it shows, or without one. Its refusal was on the way then, but a write meets the reset first, and what
 * was not read by then is lost. Before TLS 1.3 a refusal is a part of the handshake.
 */
function cutExplainer(
  socket: TLSSocket,
  { peer, clientCertificate: shown }: FailurePlace,
): Secured['explain'] {
  const since = performance.now();
  let isTaken = socket.getProtocol() !== 'TLSv1.3';
  socket.once('session', () => (isTaken = true));
  return ({ code = '' }) => {
    if (isTaken || !['ECONNRESET', 'EPIPE'].includes(code)) return null;
    if (performance.now() - since > refusalMs) return null;
    const why =
      shown == null
        ? 'perhaps it asks for a client certificate, and none is given'
        : `it may have refused the client certificate (${strangerText(shown)})`;
    return { code: ResetCode.TlsFailed, text: `${peer} broke off right after the TLS handshake: ${why}` };
  };
}

/** The context for these certificates, and words for the one that is shown. */
async function contextFor(
  end: DialingEnd,
  material: MaterialSource,
  tls: ResourceTls,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<{ context: SecureContext; shown: string | null }> {
  const clientId = tls.mode === 'mutual' ? tls.clientCertificateId : null;
  const ids = [...tls.caCertificateIds, ...(clientId === null ? [] : [clientId])];
  const found = ids.length === 0 ? [] : await obtain(end, material, ids, deadline, signal);
  const client = clientId === null ? null : (found.at(-1) ?? null);
  const authorities = client === null ? found : found.slice(0, -1);
  const context = contexts.get(client, authorities, () => makeContext(client, authorities));
  return { context, shown: client === null ? null : describeOwn(client) };
}

async function obtain(
  end: DialingEnd,
  material: MaterialSource,
  ids: readonly string[],
  deadline: Deadline,
  signal: AbortSignal,
): Promise<readonly TlsMaterial[]> {
  try {
    return await deadline.run(signal, (limited) => material(ids, limited));
  } catch (error) {
    signal.throwIfAborted();
    const text = `${end.name} has not got the destination's certificates (${ids.join(', ')}): ${errorText(error)}`;
    throw new ResourceError(ResetCode.TlsFailed, text, { cause: error });
  }
}

function makeContext(client: TlsMaterial | null, authorities: readonly TlsMaterial[]): SecureContext {
  try {
    return createSecureContext({
      ...contextOptions({
        ...(client === null ? {} : { chainPem: client.chainPem }),
        ...(client?.keyPem == null ? {} : { keyPem: client.keyPem }),
        ...(authorities.length === 0
          ? {}
          : { caPem: authorities.map(({ chainPem }) => chainPem).join('\n') }),
      }),
      // What the operator names is believed as it is, an intermediate or the resource's own certificate too.
      allowPartialTrustChain: true,
    });
  } catch (error) {
    const text = `the destination's certificates cannot be used together: ${errorText(error)}`;
    throw new ResourceError(ResetCode.TlsFailed, text, { cause: error });
  }
}

function describeOwn({ chainPem, notAfter }: TlsMaterial): string {
  const { subject, issuer } = new X509Certificate(chainPem);
  const oneLine = (name: string): string => name.replaceAll('\n', ', ');
  const ended = Date.parse(notAfter) < Date.now() ? `; it ended on ${notAfter}` : '';
  return `${oneLine(subject)}, signed by ${oneLine(issuer)}${ended}`;
}

/** Rejects when the resource says within a moment that it does not take the client's certificate. */
async function confirm({ socket, explain: read }: Secured, peer: string, signal: AbortSignal): Promise<void> {
  if (socket.getProtocol() !== 'TLSv1.3') return;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onTime = (): void => resolve();
  const timer = setTimeout(onTime, refusalMs);
  const fail = (text: string, cause?: unknown): void =>
    reject(new ResourceError(ResetCode.TlsFailed, text, { cause }));
  const onError = (error: NodeJS.ErrnoException): void =>
    fail(read(error)?.text ?? `${peer} broke off after the TLS handshake: ${errorText(error)}`, error);
  const onEnd = (): void =>
    fail(
      `${peer} closed right after the TLS handshake: it may not have taken the client certificate, or the lack of one`,
    );
  const onAbort = (): void => reject(signal.reason);
  // A session ticket is sent by who has finished, as is data.
  const onData = (chunk: Buffer): void => {
    socket.off('data', onData).pause();
    socket.unshift(chunk);
    resolve();
  };
  signal.addEventListener('abort', onAbort);
  socket.on('error', onError).on('end', onEnd).on('session', onTime).on('data', onData).resume();
  try {
    await promise;
  } catch (error) {
    // An alert may be followed by a reset.
    socket.on('error', () => {}).destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    socket.off('session', onTime).off('end', onEnd).off('error', onError).off('data', onData).pause();
  }
}

function describePeer(socket: TLSSocket): string {
  const certificate = socket.getPeerX509Certificate();
  const verified = socket.authorized ? 'verified' : `NOT verified (${String(socket.authorizationError)})`;
  const facts =
    certificate === undefined
      ? 'no certificate'
      : `certificate of ${nameText(certificate.subject)}, names ${certificate.subjectAltName ?? 'none'}, signed by ${nameText(certificate.issuer)}, valid until ${certificate.validTo}`;
  return `${socket.getProtocol() ?? 'TLS'}, ${facts}: ${verified}`.slice(0, 1000);
}

/** Node has none where the name is empty, whatever its types say. */
function nameText(name: string | undefined): string {
  return name?.replaceAll('\n', ', ') ?? 'nobody';
}
