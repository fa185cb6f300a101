/** What a process of a cluster says of its memory, at its `/metrics`. */
import { get } from 'node:http';
import type { Cluster } from '@postern/test-cluster';

/** Bytes in use. */
export interface MemoryUse {
  /** JavaScript's heap and what hangs on it outside. */
  readonly heapBytes: number;
  readonly residentBytes: number;
}

/** Asks the process of that name. */
export async function memoryOf(cluster: Cluster, name: string): Promise<MemoryUse> {
  const opsUrl = cluster.processes.find((one) => one.name === name)?.opsUrl;
  const text = await fetchText(`${opsUrl}/metrics`);
  const metric = (key: string): number => Number(new RegExp(`^${key} (.+)$`, 'm').exec(text)?.[1]);
  return {
    heapBytes: metric('nodejs_heap_size_used_bytes') + metric('nodejs_external_memory_bytes'),
    residentBytes: metric('process_resident_memory_bytes'),
  };
}

function fetchText(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(text));
      response.on('error', reject);
    }).on('error', reject);
  });
}
