/** The file that `--log-file` names. Whoever rotates it renames it and sends SIGHUP: then the next line makes a new one. */
import { closeSync, openSync } from 'node:fs';
import { fileDestination } from '@postern/telemetry';

/** An open log file; throws what opening it throws. */
export class LogFile {
  readonly #path: string;
  #descriptor: number;
  #destination: ReturnType<typeof fileDestination>;

  constructor(path: string) {
    this.#path = path;
    this.#descriptor = openLog(path);
    this.#destination = fileDestination(this.#descriptor, 'postern-client');
  }

  write(line: string): void {
    this.#destination.write(line);
  }

  /** Opens the path anew; throws what that throws, and then the former file is written on. */
  reopen(): void {
    const former = this.#descriptor;
    this.#descriptor = openLog(this.#path);
    this.#destination = fileDestination(this.#descriptor, 'postern-client');
    closeSync(former);
  }
}

function openLog(path: string): number {
  return openSync(path, 'a', 0o640);
}
