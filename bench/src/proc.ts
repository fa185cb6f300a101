// What the kernel says of processes, in /proc: their children, CPU time and memory, and who listens.
//
// CPU time of a process counts the children that it has waited for, so that the sum over a tree does not
// shrink when one of them ends. Memory is anonymous memory ("Pss_Anon"): what the process has allocated
// itself, with pages that forked processes share counted once, and without the program's own file, which
// is shared by all that run it.

import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';

/** CPU time is told in hundredths of a second on every Linux that Node runs on. */
const ticksPerSecond = 100;

/** One line of /proc/PID/stat, as far as the bench reads it. */
export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  readonly state: string;
  /** Of the process itself and of the children that it has waited for. */
  readonly cpuSeconds: number;
  /** In ticks since boot; together with the pid it names a process for good. */
  readonly startedAt: number;
}

/** Reads the text of /proc/PID/stat; the name in brackets may hold spaces and brackets itself. */
export function parseProcessStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return {
    pid: Number.parseInt(text, 10),
    state: fields[0] ?? '?',
    parent: Number(fields[1]),
    cpuSeconds: ticks / ticksPerSecond,
    startedAt: Number(fields[19]),
  };
}

/** The roots and everything that came from them, as far as it still runs. */
export function descendants(all: readonly ProcessStat[], roots: readonly number[]): ProcessStat[] {
  const children = Map.groupBy(all, (stat) => stat.parent);
  const found = all.filter((stat) => roots.includes(stat.pid));
  for (const stat of found) found.push(...(children.get(stat.pid) ?? []));
  return [...new Map(found.map((stat) => [stat.pid, stat])).values()];
}

/** All processes that this one can see. */
export async function readProcesses(): Promise<ProcessStat[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const texts = await Promise.all(
    names.map((name) => readFile(`/proc/${name}/stat`, 'utf8').catch(() => null)),
  );
  return texts.filter((text) => text !== null).map(parseProcessStat);
}

/** CPU seconds that these processes and all below them have used so far. */
export async function cpuSeconds(roots: readonly number[]): Promise<number> {
  return descendants(await readProcesses(), roots).reduce((sum, stat) => sum + stat.cpuSeconds, 0);
}

/** Bytes of anonymous memory that these processes and all below them hold. */
export async function memoryBytes(roots: readonly number[]): Promise<number> {
  const family = descendants(await readProcesses(), roots);
  const texts = await Promise.all(
    family.map(({ pid }) => readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '')),
  );
  return texts.reduce((sum, text) => sum + Number(/^Pss_Anon:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024, 0);
}

/** How many files and sockets a process may have open. */
export function openFilesMax(): number {
  const text = readFileSync('/proc/self/limits', 'utf8');
  return Number(/^Max open files +\d+ +(\d+)/m.exec(text)?.[1] ?? Infinity);
}

/** CPU seconds that the whole machine has been busy: everything but idle and waiting for disks. */
export async function machineCpuSeconds(): Promise<number> {
  const line = (await readFile('/proc/stat', 'utf8')).split('\n', 1)[0] ?? '';
  const [user = 0, nice = 0, system = 0, , , interrupt = 0, soft = 0, stolen = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + interrupt + soft + stolen) / ticksPerSecond;
}

/** One TCP socket of this network namespace. */
export interface TcpSocket {
  readonly localPort: number;
  readonly state: 'established' | 'listening' | 'other';
}

/** Every TCP socket of this network namespace, both IP versions. */
export async function tcpSockets(): Promise<TcpSocket[]> {
  const texts = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/self/net/${name}`, 'utf8').catch(() => '')),
  );
  return texts.flatMap((text) => text.trim().split('\n').slice(1)).map(parseTcpSocket);
}

function parseTcpSocket(line: string): TcpSocket {
  const [, local = '', , code = ''] = line.trim().split(/\s+/);
  const state = code === '01' ? 'established' : code === '0A' ? 'listening' : 'other';
  return { localPort: Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16), state };
}

/** The ports that somebody listens on. */
export async function listeningPorts(): Promise<Set<number>> {
  return new Set(
    (await tcpSockets()).filter(({ state }) => state === 'listening').map(({ localPort }) => localPort),
  );
}
