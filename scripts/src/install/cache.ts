/**
 * The cache of installed tools: one folder per tool and version, outside the tree.
 *
 *   <cache>/.partial-<name>-<random>/   being installed; never looked at
 *   <cache>/<name>-<version>/           whole: it got this name by one rename, with its stamp inside
 *
 * Invariant: a folder under its final name is complete. A run that was killed leaves only a `.partial-`
 * folder, which the next run removes. The lock (a socket in Linux' abstract namespace, so the kernel frees
 * it with its process) only spares two runs the double work; without it the rename alone keeps things right.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';

const STAMP = 'installed.json';

/** What the stamp of an installed tool says; `facts` is what its installer wants to remember. */
export interface Stamp {
  readonly name: string;
  readonly version: string;
  readonly installedAt: string;
  readonly facts: Readonly<Record<string, string>>;
}

/** `$POSTERN_CACHE`, or `$XDG_CACHE_HOME/postern/tools`, or `~/.cache/postern/tools`. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const chosen = environment['POSTERN_CACHE'];
  if (chosen !== undefined && chosen !== '') return chosen;
  const xdg = environment['XDG_CACHE_HOME'];
  const base = xdg !== undefined && xdg !== '' ? xdg : join(homedir(), '.cache');
  return join(base, 'postern', 'tools');
}

/** Where Node keeps what it made of the sources (`NODE_COMPILE_CACHE`), so that a program starts with half the work. */
export function compileCacheFolder(): string {
  return join(cacheFolder(), 'node-compile');
}

/** Where a version of a tool is, or would be. */
export function installedFolder(cache: string, name: string, version: string): string {
  return join(cache, `${name}-${version}`);
}

/** A file of an installed tool in this machine's cache, or null when it is not there. */
export function installedFile(name: string, version: string, ...path: readonly string[]): string | null {
  const file = join(installedFolder(cacheFolder(), name, version), ...path);
  return existsSync(file) ? file : null;
}

/** The stamp of an installed tool, or null when it is not installed. */
export function readStamp(cache: string, name: string, version: string): Stamp | null {
  const path = join(installedFolder(cache, name, version), STAMP);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Stamp) : null;
}

/**
 * Installs a tool unless it is there: `build` fills an empty folder and returns the facts for the stamp.
 * Must be called under `withLock`, which is what makes it safe to remove the leavings of earlier runs.
 */
export async function installOnce(
  cache: string,
  name: string,
  version: string,
  build: (folder: string) => Promise<Record<string, string>>,
): Promise<{ stamp: Stamp; isNew: boolean }> {
  const present = readStamp(cache, name, version);
  if (present !== null) return { stamp: present, isNew: false };
  await removePartial(cache, name);
  const partial = join(cache, `${partialPrefix(name)}${randomBytes(6).toString('hex')}`);
  await mkdir(partial, { recursive: true });
  try {
    const facts = await build(partial);
    const stamp: Stamp = { name, version, installedAt: new Date().toISOString(), facts };
    await writeFile(join(partial, STAMP), `${JSON.stringify(stamp, null, 2)}\n`);
    const target = installedFolder(cache, name, version);
    await rm(target, { recursive: true, force: true });
    await rename(partial, target);
    return { stamp, isNew: true };
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

/** Runs `work` while no other process holds the lock of that name in that cache; waits for the other to end. */
export async function withLock<T>(cache: string, name: string, work: () => Promise<T>): Promise<T> {
  await mkdir(cache, { recursive: true });
  if (process.platform !== 'linux') return work();
  const digest = createHash('sha256').update(cache).digest('hex').slice(0, 16);
  const address = `\0postern-tools-${digest}-${name}`;
  const release = await takeLock(address);
  try {
    return await work();
  } finally {
    release();
  }
}

type Release = () => void;

async function takeLock(address: string): Promise<Release> {
  for (;;) {
    const release = await tryLock(address);
    if (release !== null) return release;
    await holderGone(address);
  }
}

/** Waiters connect and are kept: the end of their connection tells them that the holder let go, or died. */
function tryLock(address: string): Promise<Release | null> {
  return new Promise((resolve, reject) => {
    const waiters = new Set<Socket>();
    const server = createServer((socket) => {
      waiters.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => waiters.delete(socket));
    });
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(null);
      else reject(error);
    });
    server.listen(address, () =>
      resolve(() => {
        server.close();
        for (const waiter of waiters) waiter.destroy();
      }),
    );
  });
}

function holderGone(address: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(address);
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    socket.resume();
  });
}

async function removePartial(cache: string, name: string): Promise<void> {
  for (const entry of await readdir(cache)) {
    if (entry.startsWith(partialPrefix(name))) await rm(join(cache, entry), { recursive: true, force: true });
  }
}

function partialPrefix(name: string): string {
  return `.partial-${name}-`;
}
