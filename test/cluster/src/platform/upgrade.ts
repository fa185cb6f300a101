/**
 * A part of a cluster of the previous version, as this version's part in the same place: with its address, ports, servers
 * and secrets. The cluster was booted by the previous version's own harness, so it is known by its shape alone.
 */
import { join } from 'node:path';
import type { Part } from '../process/part.ts';
import { freePort } from '@postern/test-kit';
import type { Cluster } from './cluster.ts';
import type { Layout } from './layout.ts';
import { servicePart } from './service-part.ts';
import { serviceArguments, serviceEnvironment } from './service-settings.ts';

/** What is known of it. */
export type FormerCluster = Pick<
  Cluster,
  'state' | 'layout' | 'busUrl' | 'documents' | 'platformHost' | 'processes'
>;

/** Gives this version's part for a name; all of one cluster share ports that the former had not. */
export async function upgradeOf(cluster: FormerCluster): Promise<(name: string) => Part> {
  const { state, busUrl, documents, platformHost } = cluster;
  const newer = { workers: 1, httpPort: await freePort('127.0.0.1') };
  const layout: Layout = { ...newer, ...cluster.layout };
  const environment = {
    ...serviceEnvironment(state),
    POSTERN_NATS_URL: busUrl,
    POSTERN_MONGODB_URL: documents.url,
    POSTERN_MONGODB_DATABASE: documents.database,
    POSTERN_LOG_LEVEL: 'info',
  };
  return (name) => {
    const place = [...layout.services, ...layout.edges].find((one) => one.name === name);
    if (place === undefined) throw new Error(`the cluster has no ${name}`);
    const args = serviceArguments(place, layout, platformHost);
    const logFolder = join(state, 'logs');
    return servicePart(place, { args, environment, logFolder, stopWithinMs: 30_000 });
  };
}
