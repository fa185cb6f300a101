/** How far it is, on stderr: one line that changes where somebody watches, and one for each step where it is a log. */

/** Shows steps. */
export class Progress {
  #shown = false;

  /** How much of a step is done. */
  show(step: string, done: number, all: number): void {
    if (!process.stderr.isTTY) return;
    const percent = all === 0 ? 100 : Math.floor((done / all) * 100);
    process.stderr.write(`\r\u001B[K${step}: ${percent} %`);
    this.#shown = true;
  }

  /** A step is done. */
  done(words: string): void {
    process.stderr.write(`${this.#shown ? '\r\u001B[K' : ''}${words}\n`);
    this.#shown = false;
  }
}
