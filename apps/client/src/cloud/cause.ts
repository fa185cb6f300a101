/** Why a caller of a cloud destination was turned away at this client, or its connection ended early. */
import type { HttpFaultCode } from '@postern/http';
import { ResetCode, resetCodeName } from '@postern/tunnel';

/** Codes of docs/ERRORS.md. Unless it speaks HTTP the client does not read what a caller speaks: it gets a reset, the log the code. */
export type CloudCode =
  | 'CLIENT_CALLERS_FULL'
  | 'CLIENT_CALLER_CERTIFICATE'
  | 'CLIENT_CALLER_TLS'
  | 'CLIENT_DESTINATION_GONE'
  | 'CLIENT_HTTP_ANSWER_CUT'
  | 'CLIENT_HTTP_ANSWER_LATE'
  | 'CLIENT_HTTP_ANSWER_MALFORMED'
  | 'CLIENT_HTTP_ANSWER_NOT_TAKEN'
  | 'CLIENT_HTTP_BODY_SLOW'
  | 'CLIENT_HTTP_HEAD_SLOW'
  | 'CLIENT_HTTP_MISDIRECTED'
  | 'CLIENT_LISTENER_CERTIFICATE'
  | 'CLIENT_NODE_OUTDATED'
  | 'CLIENT_NO_TUNNEL'
  | 'CLIENT_TUNNELS_FULL'
  | 'CLIENT_DENIED'
  | 'CLIENT_EDGE_DENIED'
  | 'CLIENT_EDGE_REFUSED'
  | 'CLIENT_EDGE_SILENT'
  | 'CLIENT_RESOURCE_PROXY'
  | 'CLIENT_RESOURCE_REFUSED'
  | 'CLIENT_RESOURCE_NOT_RESOLVED'
  | 'CLIENT_RESOURCE_TIMED_OUT'
  | 'CLIENT_RESOURCE_TLS'
  | 'CLIENT_RESOURCE_UNREACHABLE'
  | 'CLIENT_RESOURCE_RESET'
  | 'CLIENT_PATH_LOST'
  | 'CLIENT_IDLE'
  | 'CLIENT_STOPPING'
  | HttpFaultCode;

/** One caller's bad end. */
export interface CloudCause {
  readonly code: CloudCode;
  readonly text: string;
}

/** The cause in a RESET that came from a node. `opened`: the node had reached the resource. */
export function causeOfReset(code: number, text: string, opened: boolean): CloudCause {
  switch (code) {
    case ResetCode.Refused:
      return { code: 'CLIENT_RESOURCE_REFUSED', text };
    case ResetCode.NotResolved:
      return { code: 'CLIENT_RESOURCE_NOT_RESOLVED', text };
    case ResetCode.TimedOut:
      return { code: 'CLIENT_RESOURCE_TIMED_OUT', text };
    case ResetCode.TlsFailed:
      return { code: 'CLIENT_RESOURCE_TLS', text };
    case ResetCode.ProxyFailed:
      return { code: 'CLIENT_RESOURCE_PROXY', text };
    case ResetCode.Unreachable:
      return { code: 'CLIENT_RESOURCE_UNREACHABLE', text };
    case ResetCode.Denied:
      return { code: 'CLIENT_EDGE_DENIED', text };
    case ResetCode.PathLost:
    case ResetCode.UnknownStream:
    case ResetCode.Restarted:
      return { code: 'CLIENT_PATH_LOST', text };
    case ResetCode.Cancelled:
      if (opened) return { code: 'CLIENT_RESOURCE_RESET', text };
      return { code: 'CLIENT_EDGE_REFUSED', text };
    default: // Disabled, Limit, ShuttingDown, Protocol, Internal, NotSupported, and what a later version says.
      return { code: 'CLIENT_EDGE_REFUSED', text: `${resetCodeName(code)}: ${text}` };
  }
}
