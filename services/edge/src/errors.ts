/**
 * What the edge refuses, and why, as codes (docs/ERRORS.md, "edge"). Three sorts, told to three different ends:
 * - a handshake's (`EdgeError`): in the refusal that the client gets and shows to its operator;
 * - a first call's: as the `code` of an HTTP problem, beside those that acl gives;
 * - a caller's (`CallerCause`): a caller speaks a protocol that the edge does not read, so it gets a reset and the code
 *   goes to the log, the metrics and the destination's last refusals.
 */
import type { HttpFaultCode } from '@postern/http';
import { ResetCode } from '@postern/tunnel';

/** Why a tunnel or a link was refused in its handshake, or ended by the node. */
export type TunnelRefusalCode =
  | 'EDGE_HELLO_INVALID'
  | 'EDGE_VERSION_UNKNOWN'
  | 'EDGE_TICKET_INVALID'
  | 'EDGE_TICKET_KEY_UNKNOWN'
  | 'EDGE_TICKET_EXPIRED'
  | 'EDGE_TICKET_TOO_EARLY'
  | 'EDGE_TICKET_RESERVE_REFUSED'
  | 'EDGE_PROOF_WRONG'
  | 'EDGE_TUNNELS_FULL'
  | 'EDGE_DRAINING'
  | 'EDGE_CLIENT_RESTARTED'
  | 'EDGE_CLIENT_ENDED'
  | 'EDGE_LINK_IDENTITY'
  | 'EDGE_LINK_REFUSED'
  | InvalidCode;

/** What is wrong with the node itself; in its log alone. */
export type NodeCode = 'EDGE_NAME_TAKEN';

/** Why a first call was refused by the edge itself. */
export type ConnectRefusalCode =
  | 'EDGE_CALL_NOT_FOUND'
  | 'EDGE_CALL_PLAIN_HTTP'
  | 'EDGE_CALL_METHOD'
  | 'EDGE_CALL_MALFORMED'
  | 'EDGE_CALL_TOO_LONG'
  | 'EDGE_CALL_RATE'
  | 'EDGE_CALL_UNAVAILABLE'
  | 'EDGE_DRAINING'
  | 'EDGE_INTERNAL';

/** Why a front must not listen where it is to. */
export type FrontFaultCode = 'EDGE_FRONT_PORT_OWN';

/** Why a tunnel that was up may no longer be. */
export type InvalidCode =
  | 'EDGE_GATEWAY_UNKNOWN'
  | 'EDGE_GATEWAY_DISABLED'
  | 'EDGE_TOKEN_REVOKED'
  | 'EDGE_TOKEN_REQUIRED';

/** Why contents of a certificate were not had. */
export type MaterialCode =
  | 'EDGE_CERTIFICATE_MISSING'
  | 'EDGE_IDENTITY_MISSING'
  | 'EDGE_MATERIAL_BROKEN'
  | 'EDGE_MATERIAL_BUSY';

/**
 * What the node refuses, or could not have: a tunnel or link that may not be or may no longer be, a front, contents of a
 * certificate. The message is for the client's operator, for whoever made the destination, or for the node's log.
 */
export class EdgeError<
  Code extends TunnelRefusalCode | FrontFaultCode | MaterialCode = TunnelRefusalCode,
> extends Error {
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EdgeError';
    this.code = code;
  }
}

/** Why a caller was turned away, or its connection ended early. */
export type CallerCode =
  | 'EDGE_CONNECTIONS_FULL'
  | 'EDGE_ADDRESS_FULL'
  | 'EDGE_FLOWS_FULL'
  | 'EDGE_ADDRESS_RATE'
  | 'EDGE_OPENING_FULL'
  | 'EDGE_PROXY_HEADER'
  | 'EDGE_CALLER_SILENT'
  | 'EDGE_TLS_HANDSHAKE'
  | 'EDGE_FRONT_CERTIFICATE'
  | 'EDGE_CLIENT_CERTIFICATE'
  | 'EDGE_REVOCATION_LIST'
  | 'EDGE_DRAINING'
  | 'EDGE_DESTINATION_DISABLED'
  | 'EDGE_DESTINATION_DELETED'
  | 'EDGE_SOURCE_DENIED'
  | 'EDGE_ACCESS_DENIED'
  | 'EDGE_CLIENT_DENIED'
  | 'EDGE_NO_CLIENT'
  | 'EDGE_RESOURCE_REFUSED'
  | 'EDGE_RESOURCE_NOT_RESOLVED'
  | 'EDGE_RESOURCE_TIMED_OUT'
  | 'EDGE_RESOURCE_UNREACHABLE'
  | 'EDGE_RESOURCE_RESET'
  | 'EDGE_RESOURCE_TLS'
  | 'EDGE_RESOURCE_PROXY'
  | 'EDGE_CLIENT_LIMIT'
  | 'EDGE_CLIENT_STOPPING'
  | 'EDGE_CLIENT_OUTDATED'
  | 'EDGE_CLIENT_FAILED'
  | 'EDGE_CLIENT_SILENT'
  | 'EDGE_CLIENT_RESTARTED'
  | 'EDGE_CLIENT_ENDED'
  | 'EDGE_PATH_LOST'
  | 'EDGE_IDLE'
  | 'EDGE_HTTP_HEAD_SLOW'
  | 'EDGE_HTTP_BODY_SLOW'
  | 'EDGE_HTTP_MISDIRECTED'
  | 'EDGE_HTTP_NAME_UNKNOWN'
  | 'EDGE_HTTP_ANSWER_MALFORMED'
  | 'EDGE_HTTP_ANSWER_CUT'
  | 'EDGE_HTTP_ANSWER_LATE'
  | 'EDGE_HTTP_ANSWER_NOT_TAKEN'
  | InvalidCode
  | HttpFaultCode;

/** One caller's bad end: the code, plain words, and the rule that decided where one did. */
export interface CallerCause {
  code: CallerCode;
  text: string;
  /** The end whose decision it was. */
  end: 'edge' | 'client' | 'resource';
  rule?: string;
}

/** A caller is turned away on its way in; `why` is null when it has gone by itself. */
export class TurnedAway extends Error {
  readonly why: CallerCause | null;

  constructor(why: CallerCause | null) {
    super(why?.text ?? 'the caller has gone');
    this.name = 'TurnedAway';
    this.why = why;
  }
}

/** By the edge's own decision. */
export function turnedAway(code: CallerCode, text: string): TurnedAway {
  return new TurnedAway({ code, text, end: 'edge' });
}

/** The caller's cause in a RESET that came from the client. `opened`: the client had reached the resource. */
export function causeOfReset(code: number, text: string, opened: boolean): CallerCause {
  switch (code) {
    case ResetCode.Refused:
      return { code: 'EDGE_RESOURCE_REFUSED', text, end: 'resource' };
    case ResetCode.NotResolved:
      return { code: 'EDGE_RESOURCE_NOT_RESOLVED', text, end: 'client' };
    case ResetCode.TimedOut:
      return { code: 'EDGE_RESOURCE_TIMED_OUT', text, end: 'resource' };
    case ResetCode.Unreachable:
      return { code: 'EDGE_RESOURCE_UNREACHABLE', text, end: 'client' };
    case ResetCode.TlsFailed:
      return { code: 'EDGE_RESOURCE_TLS', text, end: 'resource' };
    case ResetCode.ProxyFailed:
      return { code: 'EDGE_RESOURCE_PROXY', text, end: 'resource' };
    case ResetCode.Denied:
      return { code: 'EDGE_CLIENT_DENIED', text, end: 'client' };
    case ResetCode.Limit:
      return { code: 'EDGE_CLIENT_LIMIT', text, end: 'client' };
    case ResetCode.ShuttingDown:
      return { code: 'EDGE_CLIENT_STOPPING', text, end: 'client' };
    case ResetCode.NotRelayed:
    case ResetCode.PathLost:
    case ResetCode.UnknownStream:
      return { code: 'EDGE_PATH_LOST', text, end: 'edge' };
    case ResetCode.Restarted:
      return { code: 'EDGE_CLIENT_RESTARTED', text, end: 'client' };
    case ResetCode.Cancelled:
      return opened
        ? { code: 'EDGE_RESOURCE_RESET', text, end: 'resource' }
        : { code: 'EDGE_CLIENT_FAILED', text, end: 'client' };
    default: // Disabled, Protocol, Internal, NotSupported, and whatever a later version says.
      return { code: 'EDGE_CLIENT_FAILED', text, end: 'client' };
  }
}

/** The code by which the other end is told. It says whether another is worth a try: a list may be newer there, a deleted destination is not. */
export function resetOf({ code }: CallerCause): ResetCode {
  switch (code) {
    case 'EDGE_ACCESS_DENIED':
    case 'EDGE_SOURCE_DENIED':
      return ResetCode.Denied;
    case 'EDGE_CONNECTIONS_FULL':
    case 'EDGE_OPENING_FULL':
      return ResetCode.Limit;
    default:
      return ResetCode.Disabled;
  }
}
