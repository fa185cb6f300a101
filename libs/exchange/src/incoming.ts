/** From a head that was read to a request that can be judged and sent: the same steps for every version of HTTP. */
import { normalizePath } from '@postern/access';
import {
  type Field,
  type Framing,
  HttpFault,
  type RequestHead,
  hostOf,
  readDestination,
  readTarget,
  single,
  upgradeOf,
} from '@postern/http';
import type { Cause, Voice } from './cause.ts';
import type { ConnectionFacts, HttpRequest } from './request.ts';

/** The request of a head. Throws `HttpFault`. */
export function readRequest(
  head: RequestHead,
  framing: Framing,
  version: string,
  facts: ConnectionFacts,
  trackingId: string,
): HttpRequest {
  const { authority, path, query } = readTarget(head);
  checkExpectation(head.fields);
  return {
    trackingId,
    method: head.method,
    path: path === '*' ? path : normalizePath(path),
    query,
    destination: destinationOf(head.fields),
    fields: head.minor === 0 ? head.fields.filter(({ key }) => key !== 'expect') : head.fields,
    framing,
    version,
    upgrade: version === '2.0' ? null : upgradeOf(head.fields, head.minor),
    caller: {
      address: facts.caller.address,
      scheme: facts.secure ? 'https' : 'http',
      authority: authority ?? '',
      trusted: facts.trusted,
      certificate: facts.certificate,
    },
    address: facts.caller,
    connection: facts,
  };
}

function destinationOf(fields: readonly Field[]): HttpRequest['destination'] {
  const destination = readDestination(fields);
  if (destination === null || destination.path === null) return destination;
  return { ...destination, path: normalizePath(destination.path) };
}

/** Why a request may not come over this connection: its TLS was set up for another name. */
export function misdirected(
  { serverName }: ConnectionFacts,
  request: HttpRequest,
  voice: Voice,
): Cause | null {
  const { authority } = request.caller;
  if (serverName === null || authority === '' || hostOf(authority) === serverName.toLowerCase()) return null;
  const text = 'the host of the request is not the name that the connection was opened for';
  return voice.causeOf('misdirected', text);
}

/** The cause of a fault in what the caller sent. */
export function causeOfFault(fault: HttpFault, { end }: Voice): Cause {
  return { code: fault.code, text: `the request is not taken: ${fault.message}`, end };
}

function checkExpectation(fields: readonly Field[]): void {
  const expectation = single(fields, 'expect');
  if (expectation !== undefined && expectation.toLowerCase() !== '100-continue') {
    throw new HttpFault('HTTP_EXPECTATION', 'nothing but 100-continue can be expected');
  }
}
