/** What a drain empties, of the parts that a node has. */
import { type Logger, subsystemLogger } from '@postern/telemetry';
import { type Endpoint, ResetCode } from '@postern/tunnel';
import type { Callers } from './callers.ts';
import type { CloudStreams } from './cloud-streams.ts';
import type { EdgeOptions } from './config.ts';
import { Drain, type DrainParts } from './drain.ts';
import type { Presence } from './presence.ts';
import type { Tunnels } from './tunnels.ts';

/** The parts. */
export interface DrainedNode {
  options: EdgeOptions;
  logger: Logger;
  endpoint: Endpoint;
  tunnels: Tunnels;
  callers: Callers;
  cloudStreams: CloudStreams;
  presence: Presence;
  /** Whether the others have heard that this node is ready. */
  serving(): boolean;
  closeFronts(): void;
}

/** The drain of a node. */
export function drainOf(node: DrainedNode): Drain {
  const { options, logger, endpoint, presence } = node;
  return new Drain({
    drainDelayMs: options.drainDelayMs,
    drainGraceMs: options.drainGraceMs,
    tunnels: node.tunnels,
    callers: allCallers(node),
    others: () => presence.nodes(),
    heldBy: ({ gatewayId, clientId, bootId }) => {
      const held = presence
        .clientElsewhere(gatewayId, clientId)
        .filter(({ tunnel }) => tunnel.bootId === bootId);
      return new Set(held.map(({ node: name }) => name));
    },
    tell: () => {
      if (node.serving()) presence.tellNews();
    },
    closeFronts: () => node.closeFronts(),
    leaveRelayed: (session, text) => endpoint.resetRelayed(session, ResetCode.PathLost, text),
    logger: subsystemLogger(logger, 'drain'),
  });
}

/** Callers of fronts, and those of cloud destinations, whose callers are at a client. */
function allCallers({ callers, cloudStreams: cloud }: DrainedNode): DrainParts['callers'] {
  return {
    get size() {
      return callers.size + cloud.size;
    },
    drain: async (graceMs) => void (await Promise.all([callers.drain(graceMs), cloud.drain(graceMs)])),
    close: (cause) => {
      callers.close(cause);
      cloud.close(cause);
    },
  };
}
