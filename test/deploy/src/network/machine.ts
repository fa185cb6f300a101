/**
 * A machine on the bridge that runs one program: a process in network and process namespaces of its own. Killing it kills
 * everything in it at once.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { plugIn, unplug } from './world.ts';

/** How a machine is made. */
export interface MachineOptions {
  readonly name: string;
  readonly address: string;
  readonly command: readonly string[];
  readonly logFile: string;
}

/** A running machine. */
export class Machine implements AsyncDisposable {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #gone: Promise<void>;
  #pid = 0;
  /** Kept open, its network is there for as long as the machine is, whether its program runs or not. */
  #network: number | null = null;

  private constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#child = child;
    this.#gone = new Promise((resolve) => child.once('close', () => resolve()));
  }

  /** Starts it; its program begins once it is plugged in. */
  static async start({ name, address, command, logFile }: MachineOptions): Promise<Machine> {
    const log = openSync(logFile, 'a');
    // The first line tells that it stands in its namespaces, and is answered when the network is there.
    const wait = ['sh', '-c', 'echo up; read -r plugged; exec "$@"', 'sh', ...command];
    const child = spawn('unshare', ['--net', '--pid', '--fork', '--kill-child', '--mount-proc', ...wait], {
      stdio: ['pipe', 'pipe', log],
    });
    closeSync(log);
    const machine = new Machine(name, child);
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', () => reject(new Error(`${name} ended before it was plugged in`)));
      child.stdout?.once('data', () => resolve());
    });
    machine.#pid = await firstProcess(child.pid ?? 0);
    plugIn(machine.#pid, address, plugOf(name));
    child.stdout?.resume();
    child.stdin?.write('plugged\n');
    return machine;
  }

  /** Asks its program to stop, and waits until it has. */
  async stop(): Promise<void> {
    process.kill(this.#pid, 'SIGTERM');
    await this.#gone;
  }

  /** Has its network outlive its program, as that of a real machine does, until `kill`. */
  keepNetwork(): void {
    this.#network ??= openSync(`/proc/${this.#pid}/ns/net`, 'r');
  }

  /** What a command says that is run in its network. */
  inside(command: string): string {
    const network =
      this.#network === null ? `/proc/${this.#pid}/ns/net` : `/proc/${process.pid}/fd/${this.#network}`;
    return execFileSync('nsenter', [`--net=${network}`, ...command.split(' ')], { encoding: 'utf8' });
  }

  /** Kills all that runs on it. The system still ends its connections. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#gone;
    if (this.#network !== null) closeSync(this.#network);
    this.#network = null;
  }

  /** Cuts its power: its connections end without a word. */
  async cut(): Promise<void> {
    unplug(plugOf(this.name));
    await this.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

function plugOf(name: string): string {
  return `to-${name}`.slice(0, 15);
}

/** `unshare` itself stays outside of the process namespace; its only child is the machine. */
async function firstProcess(unshare: number): Promise<number> {
  const children = await readFile(`/proc/${unshare}/task/${unshare}/children`, 'utf8');
  return Number(children.trim().split(' ')[0]);
}
