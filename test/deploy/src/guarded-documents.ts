/**
 * A MongoDB-wire server with TLS and users, set up by postern-setup's secrets: started once without users to make the first one, as
 * MongoDB's image does at its first start.
 */
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { secantusLaunch } from '@postern/scripts/install';
import { type Part, startPart } from '@postern/test-cluster';
import { MongoClient } from 'mongodb';

/** How the server that stands in for MongoDB calls its replica set. */
export const standIn = 'secantus';

/** Starts it on a name and port, with the secrets of `folder`. */
export async function startGuardedDocuments(folder: string, host: string, port: number): Promise<Part> {
  const open = await startServer(folder, host, port, []);
  try {
    const client = new MongoClient(`mongodb://${host}:${port}/?directConnection=true`);
    const pwd = readFileSync(join(folder, 'mongodb', 'root-password'), 'utf8');
    await client.db('admin').command({ createUser: 'root', pwd, roles: [{ role: 'root', db: 'admin' }] });
    await client.close();
  } finally {
    await open.stop();
  }
  const secret = (name: string): string => join(folder, 'mongodb', name);
  const tls = ['--tls-cert-file', secret('certificate.pem'), '--tls-key-file', secret('key.pem')];
  return startServer(folder, host, port, ['--auth', ...tls]);
}

async function startServer(
  folder: string,
  host: string,
  port: number,
  more: readonly string[],
): Promise<Part> {
  const { command, args, environment } = secantusLaunch();
  const home = join(folder, 'documents');
  await mkdir(home, { recursive: true });
  const own = ['--host', host, '--port', String(port), '--storage-path', home, '--cache-size', '256M'];
  return startPart({
    name: 'mongodb',
    command,
    args: [...args, ...own, ...more],
    environment: { ...environment, PYTHONUNBUFFERED: '1' },
    folder: home,
    logFile: join(folder, 'mongodb.log'),
    ready: { line: /secantus listening on/ },
  });
}
