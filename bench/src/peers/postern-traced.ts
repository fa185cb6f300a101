// Postern with telemetry on, at its defaults: one caller in a hundred traced, metrics once a minute, both to a collector
// that takes everything and keeps nothing. Beside `postern` it says what telemetry costs: the ratio of their CPU times.

import { once } from 'node:events';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { groups } from '../figure.ts';
import type { Stage } from '../stage.ts';
import type { Peer, Started } from './peer.ts';
import { startPostern } from './postern.ts';

/** postern-standalone and postern-client that send traces and metrics. */
export const posternTraced: Peer = {
  name: 'postern-traced',
  encryption: 'as postern, with telemetry on at its defaults',
  needs: [],
  groups: groups.filter((group) => group !== 'relay'),
  onRequest: true,
  async start(stage: Stage): Promise<Started> {
    const collector = await startCollector();
    const { port } = collector.address() as AddressInfo;
    return startPostern(stage, { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` });
  },
};

/** In the bench's own process, so that its work is nobody's at either end. It holds up no end of the bench. */
async function startCollector(): Promise<Server> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.end('{}'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.unref();
}
