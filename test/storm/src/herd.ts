/** Clients by the thousand, in a few processes: how many tunnels are up, how many were lost, what failed. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** What a process of clients is told. */
export interface HerdOrder {
  readonly gatewayId: string;
  readonly token: string;
  readonly connectUrl: string;
  readonly caPem: string;
  readonly clients: number;
}

/** What it tells. */
export interface HerdWord {
  readonly up: number;
  /** Tunnels that ended since the last word. */
  readonly lost: number;
  /** Calls and dials that failed since the last word, by cause. */
  readonly failures: Readonly<Record<string, number>>;
  /** Processor time that it has used. */
  readonly seconds: number;
}

const program = join(import.meta.dirname, 'process', 'herd.ts');

/** All clients. */
export class Herd implements AsyncDisposable {
  readonly #children: ChildProcess[] = [];
  readonly #up = new Map<ChildProcess, number>();
  readonly #seconds = new Map<ChildProcess, number>();
  readonly #failures = new Map<string, number>();
  #lost = 0;
  #waiting: (() => void)[] = [];

  constructor(order: HerdOrder, processes: number) {
    for (let index = 0; index < processes; index += 1) {
      const clients = Math.floor((order.clients + index) / processes);
      // Without this process's own flags: a test's would make a test of it.
      const child = fork(program, { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
      child.send({ ...order, clients } satisfies HerdOrder);
      child.on('message', (word) => this.#take(child, word as HerdWord));
      child.once('exit', () => this.#wake());
      this.#children.push(child);
    }
  }

  /** Tunnels that are up, by the last words. */
  get up(): number {
    return [...this.#up.values()].reduce((sum, up) => sum + up, 0);
  }

  /** Processor time that all have used, by the last words. */
  get seconds(): number {
    return [...this.#seconds.values()].reduce((sum, seconds) => sum + seconds, 0);
  }

  /** Tunnels that ended since `forget`. */
  get lost(): number {
    return this.#lost;
  }

  /** Calls and dials that failed since `forget`, by cause. */
  get failures(): ReadonlyMap<string, number> {
    return this.#failures;
  }

  forget(): void {
    this.#failures.clear();
    this.#lost = 0;
  }

  /** Resolves when so many tunnels are up; rejects when they are not in time. */
  async until(isEnough: (up: number) => boolean, withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs;
    while (!isEnough(this.up)) {
      if (performance.now() > deadline)
        throw new Error(`${this.up} tunnels are up after ${withinMs} ms: ${this.#told()}`);
      if (this.#children.some(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null))
        throw new Error('a process of clients has died');
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      const late = setTimeout(resolve, deadline - performance.now());
      await promise;
      clearTimeout(late);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
  }

  #take(child: ChildProcess, { up, lost, failures, seconds }: HerdWord): void {
    this.#up.set(child, up);
    this.#seconds.set(child, seconds);
    this.#lost += lost;
    for (const [cause, count] of Object.entries(failures))
      this.#failures.set(cause, (this.#failures.get(cause) ?? 0) + count);
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #told(): string {
    return [...this.#failures].map(([cause, count]) => `${cause} ${count}`).join(', ') || 'nothing failed';
  }
}
