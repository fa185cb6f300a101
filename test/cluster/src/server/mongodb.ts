/**
 * Where the documents are in tests: a MongoDB-wire server as a process of the harness, or the real MongoDB that
 * `POSTERN_TEST_MONGODB_URL` names, in which each cluster has a database of its own.
 */
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { secantusLaunch } from '@postern/scripts/install';
import { freePort } from '@postern/test-kit';
import { Part } from '../process/part.ts';
import { type ProcessResource, startResource } from './resource.ts';

/** A place for documents. `part` is null when the server is not ours to start and stop. */
export interface DocumentServer {
  readonly part: Part | null;
  readonly url: string;
  readonly database: string;
  readonly address: string;
}

/** Starts a server that keeps its documents in `folder`, or points to the one of the environment. */
export async function startMongodb(
  folder: string,
  address: string,
  logFolder = folder,
): Promise<DocumentServer> {
  const external = process.env['POSTERN_TEST_MONGODB_URL'];
  if (external !== undefined && external !== '') {
    const digest = createHash('sha256').update(folder).digest('hex').slice(0, 12);
    return { part: null, url: external, database: `postern_test_${digest}`, address: '' };
  }
  const port = await freePort(address);
  const home = join(folder, 'mongodb');
  await mkdir(home, { recursive: true });
  const { command, args, environment } = secantusLaunch();
  // Without --sync-on-commit, kill -9 loses writes that were acknowledged.
  const own = ['--host', address, '--port', String(port), '--storage-path', home, '--cache-size', '256M'];
  const part = new Part({
    name: 'mongodb',
    command,
    args: [...args, ...own, '--sync-on-commit'],
    environment: { ...environment, PYTHONUNBUFFERED: '1' },
    folder: home,
    logFile: join(logFolder, 'mongodb.log'),
    ready: { line: /secantus listening on/ },
  });
  await part.start();
  return { part, url: `mongodb://${address}:${port}/?directConnection=true`, database: 'postern', address };
}

/** A MongoDB-wire server inside a private network, which speaks TLS only and keeps nothing. */
export function startMongodbResource(pair: { certPem: string; keyPem: string }): Promise<ProcessResource> {
  return startResource('mongodb', async ({ folder, port, file }) => {
    const { command, args, environment } = secantusLaunch();
    const tls = ['--tls-cert-file', await file('server.crt', pair.certPem)];
    const key = ['--tls-key-file', await file('server.key', pair.keyPem)];
    const where = ['--host', '127.0.0.1', '--port', String(port), '--storage-path', join(folder, 'data')];
    return {
      command,
      args: [...args, ...where, '--cache-size', '64M', ...tls, ...key],
      environment: { ...environment, PYTHONUNBUFFERED: '1' },
      ready: { line: /secantus listening on/ },
    };
  });
}
