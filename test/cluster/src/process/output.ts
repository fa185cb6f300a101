/** What a process writes: kept in a file, its end in memory, and given line by line to whoever waits for one. */
import { type WriteStream, createWriteStream } from 'node:fs';
import type { Readable } from 'node:stream';

const TAIL_CHARACTERS_MAX = 16_384;
const LINE_CHARACTERS_MAX = 65_536;

/** A line that a process wrote. */
export interface OutputLine {
  readonly from: 'stdout' | 'stderr';
  readonly text: string;
}

/** The output of one process, and of its successors when it is started again. */
export class Output {
  readonly path: string;
  readonly #file: WriteStream;
  readonly #listeners = new Set<(line: OutputLine) => void>();
  #tail = '';

  constructor(path: string) {
    this.path = path;
    this.#file = createWriteStream(path, { flags: 'a', mode: 0o600 });
    this.#file.on('error', () => {});
  }

  /** The last lines, for messages. */
  get tail(): string {
    return this.#tail.trimEnd();
  }

  /** Takes what a stream brings until it ends. */
  take(stream: Readable, from: OutputLine['from']): void {
    let rest = '';
    stream.setEncoding('utf8');
    stream.on('error', () => {});
    stream.on('data', (text: string) => {
      this.#file.write(text);
      this.#tail = (this.#tail + text).slice(-TAIL_CHARACTERS_MAX);
      const lines = (rest + text).split('\n');
      rest = (lines.pop() ?? '').slice(-LINE_CHARACTERS_MAX);
      for (const line of lines) this.#tell({ from, text: line });
    });
    stream.on('end', () => {
      if (rest !== '') this.#tell({ from, text: rest });
      rest = '';
    });
  }

  /** Adds a remark of the harness. */
  note(text: string): void {
    this.#file.write(`${text}\n`);
    this.#tail = `${this.#tail}${text}\n`.slice(-TAIL_CHARACTERS_MAX);
  }

  /** Calls back for each line from now on; returns what ends that. */
  onLine(listener: (line: OutputLine) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(line: OutputLine): void {
    for (const listener of this.#listeners) listener(line);
  }
}
