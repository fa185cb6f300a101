/**
 * The tunnel protocol (docs/PROTOCOL.md): many streams over one connection, and over another when it breaks.
 * Bytes go socket, `joinSocket`, `Stream`, `Session`, `Carrier`, and back up the same way at the other end.
 */
export { socketEnd, type CallerEnd } from './caller-end.ts';
export { CallerListener } from './caller-listener.ts';
export type { Carrier, Transport } from './carrier.ts';
export type { Clock } from './clock.ts';
export { Compression, compressedStreamsMax } from './compression.ts';
export { Endpoint } from './endpoint.ts';
export type { AcceptHandshake, ConnectHandshake } from './handshake.ts';
export type { EndpointOptions } from './endpoint-options.ts';
export { EarlyDatagrams } from './early-datagrams.ts';
export {
  GoAwayCode,
  ResetCode,
  resetCodeName,
  saysNothingReached,
  saysPathRefused,
  TunnelError,
} from './error.ts';
export { linkScope, type Peer } from './peer.ts';
export { defaultLimits, payloadBytesMax, type Limits } from './limit.ts';
export { Flow, type FlowCounts } from './flow.ts';
export { ConnectionListener } from './connection-listener.ts';
export { joinDatagrams } from './join-datagrams.ts';
export { memoryCarrierPair } from './memory-carrier.ts';
export { Multimap } from './multimap.ts';
export { Opening, type OpeningEvents } from './opening.ts';
export type { RelayedOpen } from './relay.ts';
export type { Session } from './session.ts';
export { isBetterSession, type Load } from './session-choice.ts';
export type { ProcessName, ResetOrigin, StreamEvents } from './stream-end.ts';
// Owners know a stream by what it does for them, compressed or not.
export type { StreamEnd as Stream } from './stream-end.ts';
export { describeReset, joinSocket, resetSocket, type Joined } from './join-socket.ts';
export type { Slab } from './slab.ts';
export { stage } from './staging.ts';
export { tlsCarrier } from './tls-carrier.ts';
export { webSocketCarrier, webSocketMessageBytesMax } from './websocket-carrier.ts';
export { adoptSocket, connectSocket, readSocket, type ReadHandler } from './socket-reader.ts';
