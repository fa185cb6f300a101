/** A server that stands for a system inside the private network: a real one, on a free port of 127.0.0.1. */
import { chownSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '@postern/test-kit';
import { Part, type PartOptions } from '../process/part.ts';
import { makeScratch, removeScratch } from '../process/scratch.ts';

/** Where a resource listens, and how it is ended. */
export interface Resource extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** A resource that is a process of its own, with a folder for its files. */
export interface ProcessResource extends Resource {
  readonly part: Part;
  readonly folder: string;
}

/** What `startResource` hands to whoever says how the server is started. */
export interface ResourcePlace {
  readonly folder: string;
  readonly port: number;
  /** Writes a file into the folder, readable by the user that the server runs as, and returns its path. */
  readonly file: (name: string, text: string, mode?: number) => Promise<string>;
}

/** What a resource's starter decides. */
export type ResourceLaunch = Pick<
  PartOptions,
  'command' | 'args' | 'ready' | 'environment' | 'stopSignal' | 'user'
>;

/** Makes folder and port, prepares, starts, and removes the folder when it is stopped. */
export async function startResource(
  name: string,
  prepare: (place: ResourcePlace) => Promise<ResourceLaunch>,
  user?: { readonly uid: number; readonly gid: number },
): Promise<ProcessResource> {
  const folder = await makeScratch(name, user);
  const port = await freePort();
  const file = async (fileName: string, text: string, mode = 0o600): Promise<string> => {
    const path = join(folder, fileName);
    await writeFile(path, text, { mode });
    if (user !== undefined) chownSync(path, user.uid, user.gid);
    return path;
  };
  const launch = await prepare({ folder, port, file });
  const part = new Part({
    name,
    folder,
    logFile: join(folder, 'log'),
    ...launch,
    ...(user === undefined ? {} : { user }),
  });
  const stop = async (): Promise<void> => {
    await part.stop();
    removeScratch(folder);
  };
  try {
    await part.start();
  } catch (error) {
    removeScratch(folder);
    throw error;
  }
  return { host: '127.0.0.1', port, part, folder, stop, [Symbol.asyncDispose]: stop };
}
