// No tunnel at all: what the machine and the load generators can do.

import type { Stage } from '../stage.ts';
import type { Peer, Started } from './peer.ts';

/** Callers dial the resources themselves. */
export const direct: Peer = {
  name: 'direct',
  encryption: null,
  needs: [],
  async start(stage: Stage): Promise<Started> {
    const { bulk, http, echo } = stage.resources;
    return {
      fronts: { bulk: await stage.leg(bulk), http: await stage.leg(http), echo: await stage.leg(echo) },
    };
  },
};
