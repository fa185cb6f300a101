// Fronts of Postern that end TLS, and that speak HTTP, wherever it runs.

import { readFile } from 'node:fs/promises';
import type { AdminClient } from '@postern/test-cluster';
import type { Stage } from '../stage.ts';
import type { WebPorts } from './peer.ts';

/** With ports and the certificate that the others have. */
export async function createWebFronts(
  admin: AdminClient,
  gatewayId: string,
  { keys, resources }: Stage,
): Promise<WebPorts> {
  const [pem, keyPem] = [
    await readFile(keys.serverCertificate, 'utf8'),
    await readFile(keys.serverKey, 'utf8'),
  ];
  const certificateId = await admin.uploadCertificate('bench', pem, keyPem);
  const resource = { host: '127.0.0.1', port: resources.http };
  const plain = await admin.createDestination(gatewayId, { name: 'tls', resource });
  const front = { host: 'bench.example', tls: { mode: 'server', certificateId } };
  const tls = await admin.updateDestination(gatewayId, plain.id, { front });
  const http = await admin.createDestination(gatewayId, {
    name: 'web',
    resource: { ...resource, protocol: 'http' },
    front: { protocol: 'http' },
  });
  if (tls.front === undefined || http.front === undefined) throw new Error('a destination has no front');
  return { tls: tls.front.port, http: http.front.port };
}
