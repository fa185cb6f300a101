/** The gates of a node's ports, all with the same bounds, and how much strangers at them may put into the log. */
import { LineLimit, type Logger } from '@postern/telemetry';
import type { EdgeOptions } from '../config.ts';
import { type Eviction, HandshakeGate } from './handshake-gate.ts';

/** The ports that have a gate; `front` is all fronts. */
export type GatedPort = 'connect' | 'tunnel' | 'link' | 'front';

/** Lines a second for what strangers do wrong, on each port. */
export const linesPerSecondMax = 20;

/** A gate for each kind of port; `onEvict` is told of each connection that one cut. */
export function makeGates(
  { handshakesMax, handshakesPerAddressMax, handshakeTimeoutMs }: EdgeOptions,
  onEvict: (port: GatedPort, cause: Eviction) => void,
): Record<GatedPort, HandshakeGate> {
  const bounds = {
    max: handshakesMax,
    perAddressMax: handshakesPerAddressMax,
    timeoutMs: handshakeTimeoutMs,
  };
  const gate = (port: GatedPort) => new HandshakeGate(bounds, (cause) => onEvict(port, cause));
  return { connect: gate('connect'), tunnel: gate('tunnel'), link: gate('link'), front: gate('front') };
}

/** For the errors of a port that listens already: the system could not accept a connection, and the port goes on. */
export function makePortErrorLog(logger: Logger, port: () => number): (error: Error) => void {
  const lines = new LineLimit(linesPerSecondMax);
  return (error) => {
    const more = lines.take();
    if (more !== null) logger.error({ port: port(), error, ...more }, 'a connection could not be accepted');
  };
}
