/** The on-premises client as a process of the harness: `node apps/client/src/main.ts`, with its state folder. */
import { join } from 'node:path';
import { rootFolder } from '../platform/service-part.ts';
import { Part } from '../process/part.ts';
import { makeScratch, removeScratch } from '../process/scratch.ts';

/** How a client is started. */
export interface ClientProcessOptions {
  readonly gatewayId: string;
  readonly connectUrl: string;
  readonly caFile: string;
  readonly token?: string;
  /** Further flags. */
  readonly args?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** A command that runs the one behind it, as itself: the first word, and its arguments. */
  readonly within?: readonly string[];
  readonly name?: string;
  /** False when it is expected not to come up: it is then ready at once. */
  readonly waitUntilConnected?: boolean;
}

/** A client; its ID outlives its restarts. */
export class ClientProcess implements AsyncDisposable {
  readonly part: Part;
  readonly folder: string;

  constructor(part: Part, folder: string) {
    this.part = part;
    this.folder = folder;
  }

  /** As it told when it connected. */
  get clientId(): string {
    return this.part.readyLine.split(' ')[2] ?? '';
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    this.part.kill('SIGKILL');
    await this.part.exited;
  }

  /** Ends it and removes its folder. */
  async stop(): Promise<void> {
    await this.part.stop();
    removeScratch(this.folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Starts a client; resolves when its first tunnel is up. */
export async function startClient(options: ClientProcessOptions): Promise<ClientProcess> {
  const folder = await makeScratch('client');
  const { gatewayId, connectUrl, caFile, token, args = [], environment = {}, name = 'client' } = options;
  const main = join(rootFolder, 'apps', 'client', 'src', 'main.ts');
  const own = [gatewayId, '--connect', connectUrl, '--ca', caFile, '--state', folder, '--name', name];
  const [command = process.execPath, ...rest] = [
    ...(options.within ?? []),
    process.execPath,
    main,
    ...own,
    ...args,
  ];
  const part = new Part({
    name,
    command,
    args: rest,
    environment: { ...(token === undefined ? {} : { POSTERN_TOKEN: token }), ...environment },
    folder: rootFolder,
    logFile: join(folder, 'client.log'),
    ready: options.waitUntilConnected === false ? null : { line: /^connected / },
    stopWithinMs: 5_000,
  });
  const client = new ClientProcess(part, folder);
  try {
    await part.start();
  } catch (error) {
    removeScratch(folder);
    throw error;
  }
  return client;
}
