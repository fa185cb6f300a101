// Which measurement gives which group.

import type { Group } from '../figure.ts';
import { measureBytes } from './bytes.ts';
import { measureDistance } from './distance.ts';
import { measureLatency } from './latency.ts';
import type { Measurement } from './measurement.ts';
import { measureIdleStreams, measureIdleTunnels, measureMemory } from './memory.ts';
import { measureRelay } from './relay.ts';
import { measureConnections, measureRequests } from './requests.ts';
import { measureStalled } from './stalled.ts';
import { measureTls, measureWeb } from './web.ts';

/** The measurement of each group. */
export const measurements: Readonly<Record<Group, Measurement>> = {
  bytes: measureBytes,
  requests: measureRequests,
  connections: measureConnections,
  tls: measureTls,
  web: measureWeb,
  latency: measureLatency,
  memory: measureMemory,
  distance: measureDistance,
  relay: measureRelay,
  stalled: measureStalled,
  'idle-streams': measureIdleStreams,
  'idle-tunnels': measureIdleTunnels,
};
