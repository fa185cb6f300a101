/**
 * How `pnpm cluster restart` and `stop` reach the process that holds the cluster: a small HTTP server on an address
 * of its net, which takes whoever shows the secret of `DIR/control.json` (0600). It also tells whether a folder is
 * in use: a file that was left behind leads to nobody.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { type IncomingMessage, type ServerResponse, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

/** What can be asked of a running cluster. */
export interface Commands {
  readonly restart: (name: string) => Promise<void>;
  readonly stop: () => Promise<void>;
}

interface ControlFile {
  readonly url: string;
  readonly secret: string;
}

/** Serves commands until it is closed; `close` removes the file. */
export async function serveControl(
  state: string,
  host: string,
  commands: Commands,
): Promise<{ close(): Promise<void> }> {
  const secret = randomBytes(24).toString('base64url');
  const server = createServer((incoming, response) => {
    handle(incoming, response, secret, commands).catch((error: unknown) => {
      response.writeHead(500).end(error instanceof Error ? error.message : String(error));
    });
  });
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const file: ControlFile = { url: `http://${host}:${port}`, secret };
  await writeFile(controlPath(state), `${JSON.stringify(file)}\n`, { mode: 0o600 });
  return {
    close: async () => {
      await rm(controlPath(state), { force: true });
      server.close();
      server.closeIdleConnections();
    },
  };
}

/** Whether a cluster runs on that folder. */
export async function isRunning(state: string): Promise<boolean> {
  return (await send(state, 'GET', '/')) !== null;
}

/** Asks the cluster of that folder; rejects with its reason, or because none runs there. */
export async function command(state: string, path: string): Promise<void> {
  const answer = await send(state, 'POST', path);
  if (answer === null) throw new Error(`no cluster runs on ${state}`);
  if (answer.status !== 200) throw new Error(answer.text);
}

async function handle(
  incoming: IncomingMessage,
  response: ServerResponse,
  secret: string,
  commands: Commands,
): Promise<void> {
  const shown = Buffer.from(incoming.headers.authorization ?? '');
  const wanted = Buffer.from(`Bearer ${secret}`);
  if (shown.length !== wanted.length || !timingSafeEqual(shown, wanted)) {
    response.writeHead(401).end('wrong secret');
    return;
  }
  const url = new URL(incoming.url ?? '/', 'http://cluster');
  if (incoming.method === 'POST' && url.pathname === '/restart') {
    await commands.restart(url.searchParams.get('name') ?? '');
  } else if (incoming.method === 'POST' && url.pathname === '/stop') {
    await commands.stop();
  }
  response.end('done');
}

/** Null when nobody answers. A command takes as long as it takes: a part may drain. */
async function send(
  state: string,
  method: string,
  path: string,
): Promise<{ status: number; text: string } | null> {
  const file = await readControl(state);
  if (file === null) return null;
  return new Promise((resolve) => {
    const headers = { authorization: `Bearer ${file.secret}`, connection: 'close' };
    const outgoing = request(new URL(path, file.url), { method, headers, agent: false }, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, text }));
      incoming.on('error', () => resolve(null));
    });
    outgoing.on('error', () => resolve(null));
    outgoing.end();
  });
}

async function readControl(state: string): Promise<ControlFile | null> {
  try {
    return JSON.parse(await readFile(controlPath(state), 'utf8')) as ControlFile;
  } catch {
    return null;
  }
}

function controlPath(state: string): string {
  return join(state, 'control.json');
}
