/**
 * The tunnel protocol (docs/PROTOCOL.md): many streams over one connection, and over another when it breaks.
 * Bytes go socket, `joinSocket`, `Stream`, `Session`, `Carrier`, and back up the same way at the other end.
 */
export type { Carrier, CarrierEvents, Transport } from './carrier.ts';
export { systemClock, type Clock } from './clock.ts';
export { Endpoint, type AcceptHandshake, type ConnectHandshake, type EndpointOptions } from './endpoint.ts';
export {
  GoAwayCode,
  ResetCode,
  resetCodeName,
  saysNothingReached,
  saysPathRefused,
  TunnelError,
  type TunnelErrorCode,
} from './error.ts';
export { linkScope } from './link-scope.ts';
export { defaultLimits, payloadBytesMax, type Limits } from './limit.ts';
export { memoryCarrierPair, type MemoryCarrier } from './memory-carrier.ts';
export type { Peer, Session } from './session.ts';
export type { ProcessName, ResetOrigin, Stream, StreamEvents } from './stream.ts';
export { describeReset, joinSocket, resetSocket, type Joined, type JoinOptions } from './join-socket.ts';
export { tlsCarrier } from './tls-carrier.ts';
export { webSocketCarrier, webSocketMessageBytesMax } from './websocket-carrier.ts';
export { adoptSocket, connectSocket, readSocket, type ReadHandler } from './socket-reader.ts';
