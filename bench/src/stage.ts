// Where one peer plays: its folder, keys, free ports, the resources it has to reach, and the processes it
// starts, each of which belongs to a side. Closing the stage ends all of them.
//
//     caller ──► front ─ edge ══ leg ══ client ─► resource
//                               │
//                       delay proxy, when the peer is measured at a distance

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '@postern/test-kit';
import type { Group } from './figure.ts';
import type { Keys } from './keys.ts';
import { listeningPorts } from './proc.ts';
import { type Command, Program } from './program.ts';
import { until } from './until.ts';

/** What callers want to reach: iperf3's server, nginx, and our own echo (which is sink and source too). */
export const resourceNames = ['bulk', 'http', 'echo'] as const;

/** One of the resources. */
export type ResourceName = (typeof resourceNames)[number];

/** A port of 127.0.0.1 for each resource. */
export type Ports = Readonly<Record<ResourceName, number>>;

/** `edge` is the end that callers dial, `client` the one beside the resources, `between` the delay proxy. */
export type Side = 'edge' | 'client' | 'between';

/** What a stage is made of. */
export interface StageOptions {
  readonly group: Group;
  readonly directory: string;
  readonly keys: Keys;
  readonly resources: Ports;
  /** 0: nothing is put in between. */
  readonly roundTripMs: number;
  /** Idle tunnels that will be asked for, for peers that must know beforehand. */
  readonly idleTunnels: number;
}

const startTimeoutMs = 30_000;

/** Given to a peer for one start. */
export class Stage {
  /** What will be measured. */
  readonly group: Group;
  readonly directory: string;
  readonly keys: Keys;
  readonly resources: Ports;
  readonly idleTunnels: number;
  readonly #roundTripMs: number;
  readonly #closers: (() => Promise<void>)[] = [];
  readonly #programs: Record<Side, Program[]> = { edge: [], client: [], between: [] };
  readonly #others: Record<'edge' | 'client', number[]> = { edge: [], client: [] };

  constructor(options: StageOptions) {
    this.group = options.group;
    this.directory = options.directory;
    this.keys = options.keys;
    this.resources = options.resources;
    this.idleTunnels = options.idleTunnels;
    this.#roundTripMs = options.roundTripMs;
  }

  /** A free port. */
  port(): Promise<number> {
    return freePort();
  }

  /** A free port for each resource. */
  async ports(): Promise<Ports> {
    return { bulk: await freePort(), http: await freePort(), echo: await freePort() };
  }

  /** Writes a configuration file of the peer and returns its path. */
  async file(name: string, text: string): Promise<string> {
    await mkdir(this.directory, { recursive: true });
    const path = join(this.directory, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  }

  /** Starts a process of the peer. */
  async start(side: Side, command: Command): Promise<Program> {
    await mkdir(this.directory, { recursive: true });
    const program = new Program(command, join(this.directory, `${side}.log`));
    this.#programs[side].push(program);
    return program;
  }

  /** The port to dial in order to reach `port` over the leg: the same, or a delay proxy's. */
  async leg(port: number): Promise<number> {
    if (this.#roundTripMs === 0) return port;
    const proxy = await freePort();
    const script = join(import.meta.dirname, 'process', 'delay-proxy.ts');
    const args = [script, String(proxy), String(port), String(this.#roundTripMs / 2)];
    await this.start('between', { file: process.execPath, args });
    await this.listening([proxy]);
    return proxy;
  }

  /** Resolves when all of these ports are listened on; throws when a process of the peer ends before. */
  async listening(ports: readonly number[]): Promise<void> {
    await this.waitFor(`ports ${ports.join(', ')} of ${this.directory}`, async () => {
      const open = await listeningPorts();
      return ports.every((port) => open.has(port));
    });
  }

  /** Resolves when `look` says so; throws when a process of the peer ends before, or when the time is up. */
  async waitFor(
    what: string,
    look: () => Promise<boolean>,
    timeoutMs: number = startTimeoutMs,
  ): Promise<void> {
    await until(
      async () => {
        await Promise.all(
          Object.values(this.#programs)
            .flat()
            .map((program) => program.assertAlive()),
        );
        return look();
      },
      { what, timeoutMs },
    );
  }

  /** The pids of one side, or of both ends. */
  pids(side?: 'edge' | 'client'): number[] {
    if (side === undefined) return [...this.pids('edge'), ...this.pids('client')];
    return [...this.#programs[side].map(({ pid }) => pid), ...this.#others[side]];
  }

  /** Counts processes to a side that something else starts and ends. */
  count(side: 'edge' | 'client', pids: readonly number[]): void {
    this.#others[side].push(...pids);
  }

  /** To be called at the end, for what the peer runs beside its programs. */
  atEnd(close: () => Promise<void>): void {
    this.#closers.push(close);
  }

  /** Ends everything that the peer has started. */
  async close(): Promise<void> {
    for (const close of this.#closers.toReversed()) await close();
    await Promise.all(
      Object.values(this.#programs)
        .flat()
        .map((program) => program.stop()),
    );
  }
}
