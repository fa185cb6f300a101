/**
 * The first call of a client, `POST /v1/connect`: takes it apart, asks acl, answers with tickets and the nodes to go
 * to. The token leaves this function as a hash only. What acl refuses is passed on with acl's code; when acl cannot be
 * asked the client is told to come back, and meanwhile its reserve ticket counts.
 */
import type { IncomingMessage } from 'node:http';
import type { Bus } from '@postern/bus';
import {
  type ConnectAnswer,
  ConnectRequest,
  type NodeAddress,
  ServiceError,
  ask,
  openSession,
  secretHash,
  tokenCharactersMax,
} from '@postern/contracts';
import { Compile } from 'typebox/compile';
import { ConnectRefusal } from '../gate/problem.ts';

const bodyBytesMax = 16 * 1024;
const aclDeadlineMs = 4_000;
const retryAfterSeconds = 2;

const requestCheck = Compile(ConnectRequest);

/** What a first call needs of the node. */
export interface FirstCallParts {
  bus: Bus;
  nodes(): NodeAddress[];
}

/** Answers a first call, or throws `ConnectRefusal`. `address` is the caller's own, also behind a balancer. */
export async function answerFirstCall(
  parts: FirstCallParts,
  request: IncomingMessage,
  address: string,
): Promise<ConnectAnswer> {
  const tokenHash = hashOfToken(request.headers.authorization);
  const call = await readCall(request);
  const session = await askAcl(parts.bus, call, tokenHash, address);
  return {
    clientId: session.clientId,
    ticket: session.ticket,
    ticketExpiresAt: session.ticketExpiresAt,
    reserveTicket: session.reserveTicket,
    reserveTicketExpiresAt: session.reserveTicketExpiresAt,
    gateway: session.gateway,
    nodes: parts.nodes(),
  };
}

async function askAcl(bus: Bus, call: ConnectRequest, tokenHash: string | null, address: string) {
  const { gatewayId, publicKey, facts } = call;
  try {
    return await ask(
      bus,
      openSession,
      { gatewayId, tokenHash, publicKey, facts, address },
      { deadlineMs: aclDeadlineMs },
    );
  } catch (error) {
    const { code, body } = ServiceError.from(error);
    if (body.status >= 400 && body.status < 500)
      throw ConnectRefusal.passOn(body.status, code, body.message, gatewayId);
    const detail = `acl cannot be asked at present (${code})`;
    throw new ConnectRefusal(503, 'EDGE_CALL_UNAVAILABLE', detail, retryAfterSeconds);
  }
}

/** Null when no token is shown. */
function hashOfToken(authorization: string | undefined): string | null {
  if (authorization === undefined) return null;
  const token = /^bearer +([\x21-\x7e]+) *$/i.exec(authorization)?.[1];
  if (token === undefined || token.length > tokenCharactersMax) {
    throw new ConnectRefusal(
      400,
      'EDGE_CALL_MALFORMED',
      'Authorization is to be "Bearer" and the security token',
    );
  }
  return secretHash(token);
}

async function readCall(request: IncomingMessage): Promise<ConnectRequest> {
  const body = parseJson(await readBody(request));
  if (requestCheck.Check(body)) return body;
  const fault = requestCheck.Errors(body)[0];
  throw new ConnectRefusal(
    400,
    'EDGE_CALL_MALFORMED',
    `the body: ${fault?.instancePath || '/'} ${fault?.message ?? 'is wrong'}`,
  );
}

async function readBody(request: IncomingMessage): Promise<string> {
  const tooLong = () =>
    new ConnectRefusal(413, 'EDGE_CALL_TOO_LONG', `a body has at most ${bodyBytesMax} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > bodyBytesMax) throw tooLong();
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > bodyBytesMax) throw tooLong();
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof ConnectRefusal) throw error;
    throw new ConnectRefusal(400, 'EDGE_CALL_MALFORMED', 'the call was broken off');
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ConnectRefusal(400, 'EDGE_CALL_MALFORMED', 'the body is no JSON');
  }
}
