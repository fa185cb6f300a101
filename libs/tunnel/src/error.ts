/**
 * What can go wrong in the tunnel, as codes. Three sorts, never mixed up:
 * - `TunnelError`: a session could not be made or has ended (docs/ERRORS.md, "tunnel").
 * - `ResetCode`: why one stream ended early; a number on the wire (docs/PROTOCOL.md, "RESET").
 * - `GoAwayCode`: why a peer takes no more streams, or refuses the handshake; a number on the wire.
 */

/** Codes of `TunnelError`. */
export type TunnelErrorCode =
  | 'TUNNEL_CARRIER_CLOSED'
  | 'TUNNEL_CLOSED'
  | 'TUNNEL_CONTROL_TOO_LONG'
  | 'TUNNEL_DEAD'
  | 'TUNNEL_FRAME_MALFORMED'
  | 'TUNNEL_FRAME_TOO_LONG'
  | 'TUNNEL_HANDSHAKE_TIMEOUT'
  | 'TUNNEL_PEER_NOT_READING'
  | 'TUNNEL_PROTOCOL_VIOLATED'
  | 'TUNNEL_REFUSED'
  | 'TUNNEL_STREAM_LIMIT';

/** A session could not be made, or has ended. `detail` is the peer's code where it gave one. */
export class TunnelError extends Error {
  readonly code: TunnelErrorCode;
  readonly detail: string | undefined;

  constructor(code: TunnelErrorCode, message: string, options: ErrorOptions & { detail?: string } = {}) {
    super(message, options);
    this.name = 'TunnelError';
    this.code = code;
    this.detail = options.detail;
  }
}

/** The peer sent what it must not; `message` says what. */
export function brokenProtocol(message: string): TunnelError {
  return new TunnelError('TUNNEL_PROTOCOL_VIOLATED', `the peer broke the protocol: ${message}`);
}

/** Why a stream ended early. `saysNothingReached` tells which of them, before OPENED, let the opener try elsewhere. */
export const ResetCode = {
  /** The local socket was reset or closed by its owner. */
  Cancelled: 1,
  /** The resource refused the connection. */
  Refused: 2,
  /** The name of the resource could not be resolved. */
  NotResolved: 3,
  /** The resource did not answer in time. */
  TimedOut: 4,
  /** An access list denies it; the text names the rule and the end. */
  Denied: 5,
  /** No route to the resource. */
  Unreachable: 6,
  /** On a path: this path ends, the stream waits for another. For a stream: none came in time. */
  PathLost: 7,
  /** The peer broke the protocol on this stream. */
  Protocol: 8,
  /** No room: too many streams, or no window left to give. */
  Limit: 9,
  /** The gateway, destination or token was disabled, deleted or revoked. */
  Disabled: 10,
  /** A fault of the peer's own; its log has the cause. */
  Internal: 11,
  /** RESUME named a stream that is not known here. */
  UnknownStream: 12,
  /** The peer is going away and did not take the stream. */
  ShuttingDown: 13,
  /** The process that held the other end is gone: another boot took its name. */
  Restarted: 14,
  /** The peer does not serve what OPEN asks for. */
  NotSupported: 15,
  /** On a path: the stream has a newer one, which is on its way; wait for it. */
  PathOutdated: 16,
  /** A relay has no way to the other end, or no room, and passed nothing on. */
  NotRelayed: 17,
  /** TLS with the resource failed; the text says what was met and what would be right. */
  TlsFailed: 18,
  /** The proxy between client and resource refused, or could not be used. */
  ProxyFailed: 19,
} as const;
/** Why a stream ended early. */
export type ResetCode = (typeof ResetCode)[keyof typeof ResetCode];

const resetNames = new Map<number, string>(Object.entries(ResetCode).map(([name, code]) => [code, name]));

/** `Refused` for 2; `code 99` for one that this version does not know. */
export function resetCodeName(code: number): string {
  return resetNames.get(code) ?? `code ${code}`;
}

const nothingReached = new Set<number>([
  ResetCode.Refused,
  ResetCode.NotResolved,
  ResetCode.TimedOut,
  ResetCode.Denied,
  ResetCode.Unreachable,
  ResetCode.Limit,
  ResetCode.ShuttingDown,
  ResetCode.NotRelayed,
  ResetCode.TlsFailed,
  ResetCode.ProxyFailed,
]);

const pathRefusals = new Set<number>([
  ResetCode.Limit,
  ResetCode.ShuttingDown,
  ResetCode.NotRelayed,
  ResetCode.Restarted,
]);

/** Whether a RESET with this code, before OPENED, lets the opener try another client with the same bytes. */
export function saysNothingReached(code: number): boolean {
  return nothingReached.has(code);
}

/** Whether such a RESET speaks of the path only, or of a boot that is gone: the same client may be asked by another. */
export function saysPathRefused(code: number): boolean {
  return pathRefusals.has(code);
}

/** Why a peer takes no more streams, or refuses the handshake. */
export const GoAwayCode = {
  /** It is stopping or draining. */
  ShuttingDown: 1,
  /** No version in common. */
  NoCommonVersion: 2,
  /** The handshake was refused; the text begins with a code of docs/ERRORS.md. */
  Refused: 3,
  /** The peer broke the protocol. */
  Protocol: 4,
  /** Stream numbers are used up; open another session. */
  StreamsUsedUp: 5,
} as const;
/** Why a peer takes no more streams. */
export type GoAwayCode = (typeof GoAwayCode)[keyof typeof GoAwayCode];
