/**
 * The first call: `POST /v1/connect` with the token, over a verified connection to the platform's host. It says either
 * what the client may do now (tickets, nodes) or why not, in the platform's own words. One call, one connection, bounded
 * in time and size; redirects are not followed, since the token is for this host only.
 */
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import {
  type ConnectAnswer,
  ConnectAnswer as AnswerSchema,
  type ConnectRequest,
  ticketLifeSeconds,
  tokenCharactersMax,
} from '@postern/contracts';
import { Compile } from 'typebox/compile';
import type { Dialer } from './dialer.ts';
import { errorText, systemCode } from '@postern/dial';
import { ClientError } from '../errors.ts';
import type { Grant } from './grant.ts';
import { retryAfterMs } from './retry-after.ts';

/** How long the whole call may take. */
const callTimeoutMs = 10_000;

const answerBytesMax = 256 * 1024;
const codePattern = /^[A-Z][A-Z0-9_]{2,63}$/;
const detailLengthMax = 500;
const answerCheck = Compile(AnswerSchema);

/** A platform's yes. */
export interface Admission {
  readonly clientId: string;
  readonly gateway: ConnectAnswer['gateway'];
  readonly grant: Grant;
}

/** Makes the call; rejects with ClientError, TlsError or the signal's reason. `token` null where the gateway asks for none. */
export async function callPlatform(
  dialer: Dialer,
  body: ConnectRequest,
  token: string | null,
  signal: AbortSignal,
): Promise<Admission> {
  demandToken(token);
  const deadline = AbortSignal.timeout(callTimeoutMs);
  const either = AbortSignal.any([signal, deadline]);
  try {
    const socket = await dialer.platform(either);
    try {
      const { answer, text } = await exchange(dialer.connectUrl, socket, body, token, either);
      return readAnswer(dialer.connectUrl.host, answer, text);
    } finally {
      socket.destroy();
    }
  } catch (error) {
    if (!deadline.aborted || signal.aborted) throw error;
    throw new ClientError(
      'CLIENT_TIMED_OUT',
      `${dialer.connectUrl.host} did not answer the first call within ${callTimeoutMs} ms`,
      { cause: error },
    );
  }
}

/** What cannot be a token at all is not sent: no platform could tell it from a broken call. */
function demandToken(token: string | null): void {
  if (token === null || (token.length <= tokenCharactersMax && /^[\x21-\x7e]+$/.test(token))) return;
  throw new ClientError(
    'CLIENT_TOKEN_MALFORMED',
    `the security token is none: it has at most ${tokenCharactersMax} characters of ASCII, and no spaces`,
  );
}

type PlatformSocket = Awaited<ReturnType<Dialer['platform']>>;

async function exchange(
  connectUrl: URL,
  socket: PlatformSocket,
  body: ConnectRequest,
  token: string | null,
  signal: AbortSignal,
): Promise<{ answer: IncomingMessage; text: string }> {
  const payload = Buffer.from(JSON.stringify(body));
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const call = request(new URL('/v1/connect', connectUrl), {
    method: 'POST',
    createConnection: () => socket,
    signal,
    headers: {
      'content-type': 'application/json',
      'content-length': payload.length,
      accept: 'application/json, application/problem+json',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
  });
  // An answer that changes the protocol makes Node close the connection without a word, and heed no signal any more.
  call.once('close', () => reject(new Error('it was closed without an answer')));
  call.once('response', resolve).on('error', reject).end(payload);
  try {
    const answer = await promise;
    return { answer, text: await readBounded(answer) };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ClientError) throw error;
    if (systemCode(error)?.startsWith('HPE_') === true) {
      throw new ClientError(
        'CLIENT_NOT_A_PLATFORM',
        `${connectUrl.host} does not answer in HTTP: is --connect the port of first calls (443), and not that of tunnels?`,
        { cause: error },
      );
    }
    throw new ClientError(
      'CLIENT_CONNECTION_FAILED',
      `${connectUrl.host} broke off the first call: ${errorText(error)}`,
      { cause: error },
    );
  }
}

async function readBounded(answer: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of answer as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > answerBytesMax) {
      throw new ClientError(
        'CLIENT_ANSWER_MALFORMED',
        `the answer to the first call is longer than ${answerBytesMax} bytes`,
      );
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

function readAnswer(host: string, answer: IncomingMessage, text: string): Admission {
  const status = answer.statusCode ?? 0;
  const json = parseJson(text);
  if (status !== 200) throw readProblem(host, status, json, answer.headers['retry-after']);
  if (!answerCheck.Check(json)) {
    const [fault] = answerCheck.Errors(json);
    throw new ClientError(
      'CLIENT_ANSWER_MALFORMED',
      `${host} answered the first call with something else than tickets (${fault?.instancePath || '/'} ${fault?.message ?? ''})`,
    );
  }
  const { clientId, gateway, ticket, reserveTicket, nodes } = json;
  const grant: Grant = {
    ticket,
    ticketLifeMs: ticketLifeMs(ticket, ticketLifeSeconds.session),
    reserveTicket,
    reserveLifeMs: ticketLifeMs(reserveTicket, ticketLifeSeconds.reserve),
    nodes,
  };
  return { clientId, gateway, grant };
}

function readProblem(
  host: string,
  status: number,
  json: unknown,
  retryAfter: string | undefined,
): ClientError {
  const problem = (typeof json === 'object' && json !== null ? json : {}) as {
    code?: unknown;
    detail?: unknown;
    title?: unknown;
  };
  const retry = { status, retryAfterMs: retryAfterMs(retryAfter, Date.now()) };
  if (typeof problem.code !== 'string' || !codePattern.test(problem.code)) {
    return new ClientError(
      'CLIENT_NOT_A_PLATFORM',
      `${host} answered the first call with ${status} and no code of Postern: is --connect the platform's address?`,
      retry,
    );
  }
  if (problem.code.startsWith('ADMIN_')) {
    return new ClientError(
      'CLIENT_NOT_A_PLATFORM',
      `${host} is the admin API: --connect is the port of first calls (443)`,
      retry,
    );
  }
  const words = [problem.detail, problem.title].find((part) => typeof part === 'string');
  const detail = (words ?? 'no reason given').replaceAll(/\p{Cc}+/gu, ' ').slice(0, detailLengthMax);
  return new ClientError('CLIENT_CALL_FAILED', `the platform answered ${status} ${problem.code}: ${detail}`, {
    ...retry,
    platformCode: problem.code,
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** How long a ticket lives by its own claims; they are read for their difference only, never believed. */
export function ticketLifeMs(ticket: string, secondsMax: number): number {
  const claims = parseJson(Buffer.from(ticket.split('.')[1] ?? '', 'base64url').toString()) as
    | { iat?: unknown; exp?: unknown }
    | undefined;
  const { iat, exp } = claims ?? {};
  if (typeof iat !== 'number' || typeof exp !== 'number') return secondsMax * 1000;
  return Math.min(Math.max(exp - iat, 0), secondsMax) * 1000;
}
