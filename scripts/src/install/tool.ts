/**
 * What tests and the bench use of the installed tools: paths, and a plain error when one is missing.
 * Only looks, never installs: a test must not start a download.
 */
import { existsSync } from 'node:fs';
import { cacheFolder, installedFolder, readStamp } from './cache.ts';
import { findCommand } from './command.ts';
import type { DebianCommand } from './debian.ts';
import { NATS_VERSION, natsBinary } from './nats.ts';
import { SECANTUS_VERSION } from './secantus.ts';

/** A command that tests may need: one of the cache, or one of Debian's. */
export type ToolName = 'nats-server' | DebianCommand;

/** How to start a server that is more than one executable. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** The path of a tool. Throws, naming `pnpm service:install`, when it is not installed. */
export function tool(name: ToolName, cache = cacheFolder()): string {
  const path = name === 'nats-server' ? natsPath(cache) : findCommand(name);
  if (path === null) throw missing(name);
  return path;
}

/** Whether a tool is installed, for what can be left out without it. */
export function hasTool(name: ToolName, cache = cacheFolder()): boolean {
  return (name === 'nats-server' ? natsPath(cache) : findCommand(name)) !== null;
}

/** How to start the MongoDB-wire server; its own arguments come after these. */
export function secantusLaunch(cache = cacheFolder()): Launch {
  const stamp = readStamp(cache, 'secantus', SECANTUS_VERSION);
  const python = stamp?.facts['python'];
  if (python === undefined || !existsSync(python)) throw missing('secantus');
  const folder = installedFolder(cache, 'secantus', SECANTUS_VERSION);
  return { command: python, args: ['-m', 'secantus'], environment: { PYTHONPATH: folder } };
}

function natsPath(cache: string): string | null {
  const path = natsBinary(installedFolder(cache, 'nats-server', NATS_VERSION));
  return existsSync(path) ? path : null;
}

function missing(name: string): Error {
  return new Error(`${name} is not installed; \`pnpm service:install\` fetches what tests and bench need`);
}
