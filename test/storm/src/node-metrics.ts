/** What a process of the cluster tells at its ops port. */
import { get } from 'node:http';
import type { Cluster } from '@postern/test-cluster';

/** Its metrics, as text. */
export function metricsOf(cluster: Cluster, name: string): Promise<string> {
  return askOps(cluster, name, '/metrics');
}

/** The answer of its ops port. */
export function askOps(cluster: Cluster, name: string, path: string): Promise<string> {
  const opsUrl = cluster.processes.find((one) => one.name === name)?.opsUrl;
  return new Promise((resolve, reject) => {
    get(`${opsUrl}${path}`, { agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(text));
      response.on('error', reject);
    }).on('error', reject);
  });
}

/** Of a metric, over all its labels. */
export function sumOf(text: string, name: string): number {
  const values = [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (.+)$`, 'gm'))];
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
}
