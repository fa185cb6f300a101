/** Every bound of the tunnel in one place. Each has a test that hits it (docs/PROTOCOL.md, "Limits"). */

/** Longest payload of a frame. The receiver checks the announced length before it keeps a byte. */
export const payloadBytesMax = 65_536;

const kib = 1024;
const mib = 1024 * kib;

/** Bounds and times of an endpoint; all may be set. */
export interface Limits {
  /** A carrier that has not brought a whole handshake by then is cut. */
  handshakeTimeoutMs: number;
  /** A PING goes out this long after the last one. */
  keepaliveIntervalMs: number;
  /** A session whose peer has answered a PING with nothing for this long is quiet: others are preferred to it. */
  quietAfterMs: number;
  /** A session that has heard nothing for this long is dead. */
  deadAfterMs: number;
  /** A stream without a path waits this long for one. */
  pathWaitMs: number;
  /** One whose OPEN was not answered waits this long: its caller can come again, and may find another process. */
  openingWaitMs: number;
  /**
   * How long the end of a stream is remembered, to answer a late RESUME or repeated OPEN: longer than the other end takes to
   * notice that its path is gone and waits for another, or what it repeats would be done twice.
   */
  tombstoneMs: number;
  /** How many ended streams are remembered. */
  tombstonesMax: number;
  /** How many of one gateway. A node, which has many, remembers half. */
  tombstonesPerGatewayMax: number;
  /** Streams per session, both directions together: as many as `receiveBytesPerSessionMax` has floors for. Of a link one gateway has half. */
  streamsPerSessionMax: number;
  /** What an opener may send before OPENED. Also the floor that every stream has, both ways. */
  floorBytes: number;
  /** The window that OPENED gives while there is plenty. */
  windowBytesInitial: number;
  /** What a window can grow to. */
  windowBytesMax: number;
  /** All windows of one session together. */
  receiveBytesPerSessionMax: number;
  /** All windows of this process together. */
  receiveBytesPerProcessMax: number;
  /** The part of it that the sessions of one gateway, or all links, have at most. A node, which has many, gives half. */
  receiveBytesPerGatewayMax: number;
  /** What senders keep unacknowledged, all together, above their floors. */
  sendBytesPerProcessMax: number;
  /** The part of it that one gateway's have at most. A node, which has many, gives half. */
  sendBytesPerGatewayMax: number;
  /** What a relay's window for one stream can grow to, per direction. */
  relayBytesPerStreamMax: number;
  /** Control frames that wait for a peer which does not read, 256 bytes for each besides. A RESUME for each of `streamsPerSessionMax` streams must fit. */
  controlBytesMax: number;
  /** Those of all sessions together, of each what is above one write (`batchBytes`). A gateway has as much as is free. */
  controlBytesPerProcessMax: number;
  /** DATAGRAM payloads that wait per stream; the oldest is dropped for a new one. */
  datagramBytesMax: number;
  /** An acknowledgement of little data waits this long for more. */
  acknowledgeDelayMs: number;
  /** What is handed to the carrier at once. One TLS write of this size is one write of the system. */
  batchBytes: number;
}

/** The defaults. */
export const defaultLimits: Limits = Object.freeze({
  handshakeTimeoutMs: 10_000,
  keepaliveIntervalMs: 5_000,
  quietAfterMs: 1_000,
  deadAfterMs: 10_000,
  pathWaitMs: 60_000,
  openingWaitMs: 6_000,
  tombstoneMs: 90_000,
  tombstonesMax: 100_000,
  tombstonesPerGatewayMax: 100_000,
  streamsPerSessionMax: 16_384,
  floorBytes: 16 * kib,
  windowBytesInitial: 256 * kib,
  windowBytesMax: 64 * mib,
  receiveBytesPerSessionMax: 256 * mib,
  receiveBytesPerProcessMax: 1024 * mib,
  receiveBytesPerGatewayMax: 1024 * mib,
  sendBytesPerProcessMax: 1024 * mib,
  sendBytesPerGatewayMax: 1024 * mib,
  relayBytesPerStreamMax: 16 * mib,
  controlBytesMax: 16 * mib,
  controlBytesPerProcessMax: 128 * mib,
  datagramBytesMax: 256 * kib,
  acknowledgeDelayMs: 25,
  batchBytes: 128 * kib,
});
