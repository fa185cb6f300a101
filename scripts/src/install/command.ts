/**
 * Finding and running other programs. Output is captured, and shown only when the program failed: its last
 * lines are the error's text. Nothing goes through a shell.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where Debian keeps servers that are not on an ordinary user's PATH, and where Go's own archive is unpacked. */
const KNOWN_FOLDERS = [
  '/usr/local/sbin',
  '/usr/sbin',
  '/sbin',
  '/usr/lib/openssh',
  '/usr/lib/squid',
  '/usr/lib/cni',
  '/usr/local/go/bin',
];
const POSTGRESQL_FOLDER = '/usr/lib/postgresql';
const OUTPUT_CHARACTERS_MAX = 4_000;

/** Finds an executable on the PATH, or where Debian keeps servers and Go its own; null when it is nowhere. */
export function findCommand(name: string, searchPath = process.env['PATH'] ?? ''): string | null {
  const folders = [...searchPath.split(delimiter), ...KNOWN_FOLDERS, ...postgresqlFolders()];
  for (const folder of folders) {
    const path = join(folder, name);
    if (folder !== '' && isExecutable(path)) return path;
  }
  return null;
}

/** The same; fails where it is nowhere. */
export function requireCommand(name: string): string {
  const path = findCommand(name);
  if (path === null) throw new Error(`${name} was not found`);
  return path;
}

/** Runs a program to its end and returns its stdout; fails with its last words otherwise. */
export function runCommand(
  command: string,
  args: readonly string[],
  environment: Record<string, string> = {},
  folder?: string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: folder,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let everything = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      everything = (everything + text).slice(-OUTPUT_CHARACTERS_MAX);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      everything = (everything + text).slice(-OUTPUT_CHARACTERS_MAX);
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) return resolve(stdout);
      const how = signal === null ? `exit code ${code}` : signal;
      reject(new Error(`${[command, ...args].join(' ')}: ${how}\n${everything.trim()}`));
    });
  });
}

/** Newest first: a machine may have several major versions. */
function postgresqlFolders(): string[] {
  try {
    return readdirSync(POSTGRESQL_FOLDER)
      .sort((a, b) => Number(b) - Number(a))
      .map((version) => join(POSTGRESQL_FOLDER, version, 'bin'));
  } catch {
    return [];
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
