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
  const metric = (key: string): number => {
    const found = [...text.matchAll(new RegExp(`^${key}(?:\\{[^}]*\\})? (.+)$`, 'gm'))];
    if (found.length === 0) throw new Error(`${name} does not tell ${key}`);
    return found.reduce((sum, [, value]) => sum + Number(value), 0);
  };
  return {
    heapBytes: metric('v8js_memory_heap_used_bytes') + metric('postern_process_external_memory_bytes'),
    residentBytes: metric('process_memory_usage_bytes'),
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
