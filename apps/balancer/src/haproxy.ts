/**
 * haproxy with a configuration that changes while it runs. A new one is checked first and put in place by one rename;
 * then the master starts a new worker, which takes over the listening sockets, and the old worker keeps its connections
 * until they end. A configuration that haproxy refuses is never used: what runs goes on.
 */
import { execFile } from 'node:child_process';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Logger } from '@postern/telemetry';
import type { BalancerOptions } from './config.ts';
import { BalancerError } from './errors.ts';
import { haproxyConfiguration } from './haproxy-configuration.ts';
import type { NodeEntry } from './node-list.ts';
import { Supervised } from './supervised.ts';

const checkWithinMs = 10_000;
const answerWithinMs = 5_000;
const answerBytesMax = 65_536;

/** One haproxy. */
export class Haproxy {
  readonly #options: BalancerOptions;
  readonly #logger: Logger;
  readonly #file: string;
  readonly #socket: string;
  /** The master's, which asks its workers, those that were replaced included. */
  readonly #masterSocket: string;
  #text = '';
  #process: Supervised | null = null;
  #reloads = 0;

  constructor(options: BalancerOptions, logger: Logger) {
    this.#options = options;
    this.#logger = logger;
    this.#file = join(options.state, 'haproxy.cfg');
    this.#socket = join(options.state, 'haproxy.sock');
    this.#masterSocket = join(options.state, 'haproxy-master.sock');
  }

  /** How often another configuration was taken. */
  get reloads(): number {
    return this.#reloads;
  }

  get isRunning(): boolean {
    return this.#process?.isRunning === true;
  }

  /** Resolves with how it ended. Only once it was started. */
  get ended(): Promise<string> {
    return this.#process?.ended ?? Promise.reject(new Error('haproxy was not started'));
  }

  /** Serves these nodes from now on; returns false when nothing had to change. */
  async serve(nodes: readonly NodeEntry[]): Promise<boolean> {
    const text = haproxyConfiguration(nodes, this.#options, {
      statusSocket: this.#socket,
      asRoot: process.getuid?.() === 0,
    });
    if (text === this.#text) return false;
    await this.#put(text);
    this.#text = text;
    if (this.#process === null) this.#start();
    else {
      this.#reloads += 1;
      this.#process.signal('SIGUSR2');
    }
    return true;
  }

  /** Ends the connections to these servers (`backend/server`), whichever worker carries them. */
  async endConnections(servers: readonly string[]): Promise<void> {
    const workers = (await this.#ask('show proc')).matchAll(/^(\d+)\s+worker\s/gm);
    for (const [, pid] of workers) {
      for (const server of servers) await this.#ask(`@!${pid} shutdown sessions server ${server}`);
    }
  }

  /** Lets connections finish for that long. */
  async stop(graceMs: number): Promise<void> {
    await this.#process?.stop('SIGUSR1', graceMs);
    for (const socket of [this.#socket, this.#masterSocket]) rmSync(socket, { force: true });
  }

  #start(): void {
    const args = ['-W', '-db', '-S', `${this.#masterSocket},mode,600,level,admin`, '-f', this.#file];
    this.#process = new Supervised({
      name: 'haproxy',
      command: this.#options.haproxy,
      args,
      logger: this.#logger,
    });
  }

  /** One command, and what haproxy says to it. */
  async #ask(command: string): Promise<string> {
    const socket = connect({ path: this.#masterSocket, timeout: answerWithinMs });
    socket.once('timeout', () => socket.destroy(new Error(`no answer within ${answerWithinMs} ms`)));
    socket.end(`${command}\n`);
    let said = '';
    for await (const text of socket.setEncoding('utf8')) {
      said += String(text);
      if (said.length > answerBytesMax) throw new Error('an answer without an end');
    }
    return said;
  }

  async #put(text: string): Promise<void> {
    const next = `${this.#file}.next`;
    writeFileSync(next, text, { mode: 0o600 });
    try {
      await promisify(execFile)(this.#options.haproxy, ['-c', '-f', next], { timeout: checkWithinMs });
    } catch (cause) {
      const words = (cause as { stderr?: string }).stderr?.trim().slice(-1_000) || String(cause);
      throw new BalancerError(
        'BALANCER_CONFIGURATION_REFUSED',
        `haproxy refuses the configuration: ${words}`,
        {
          cause,
        },
      );
    }
    renameSync(next, this.#file);
  }
}
