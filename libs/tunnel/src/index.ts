/**
 * The tunnel protocol (docs/PROTOCOL.md): many streams over one connection, and over another when it breaks.
 * Bytes go socket, `joinSocket`, `Stream`, `Session`, `Carrier`, and back up the same way at the other end.
 */
export { SocketEnd, type CallerEnd } from './socket/caller-end.ts';
export { CallerListener } from './socket/caller-listener.ts';
export type { Carrier, Transport } from './carrier/carrier.ts';
export type { Clock } from './clock.ts';
export { Compression, compressedStreamsMax } from './stream/compression.ts';
export { Endpoint } from './endpoint/endpoint.ts';
export type { AcceptHandshake, ConnectHandshake } from './session/handshake.ts';
export type { EndpointOptions } from './endpoint/endpoint-options.ts';
export { EarlyDatagrams } from './socket/early-datagrams.ts';
export {
  GoAwayCode,
  ResetCode,
  resetCodeName,
  saysNothingReached,
  saysPathRefused,
  TunnelError,
} from './error.ts';
export { linkScope, type Peer } from './session/peer.ts';
export { defaultLimits, payloadBytesMax, type Limits } from './limit.ts';
export { memoryLimits, memoryOfMachine } from './memory/memory-limits.ts';
export { Flow, type FlowCounts } from './socket/flow.ts';
export { ConnectionListener } from './socket/connection-listener.ts';
export { joinDatagrams } from './socket/join-datagrams.ts';
export { memoryCarrierPair } from './carrier/memory-carrier.ts';
export { Multimap } from './memory/multimap.ts';
export { SlotMap } from './memory/slot-map.ts';
export { SlotMultimap } from './memory/slot-multimap.ts';
export { Opening, type OpeningEvents } from './socket/opening.ts';
export type { RelayedOpen } from './endpoint/relay.ts';
export type { Session } from './session/session.ts';
export { isBetterSession, type Load } from './session/session-choice.ts';
export type { ProcessName, ResetOrigin, StreamEvents } from './stream/stream-end.ts';
// Owners know a stream by what it does for them, compressed or not.
export type { StreamEnd as Stream } from './stream/stream-end.ts';
export { describeReset, joinSocket, resetSocket, writeNow, type Joined } from './socket/join-socket.ts';
export type { Slab } from './memory/slab.ts';
export { keepMemory, stage, takeMemory } from './memory/staging.ts';
export { tlsCarrier } from './carrier/tls-carrier.ts';
export { webSocketCarrier, webSocketMessageBytesMax } from './carrier/websocket-carrier.ts';
export { adoptSocket, connectSocket, readSocket, type ReadHandler } from './socket/socket-reader.ts';
