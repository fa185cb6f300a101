/**
 * How long a worker says nothing. It is looked at each second, and looks are counted, not time: a supervisor that is late
 * itself has not read yet what was said meanwhile.
 */

/** Looks without a word that are too many. */
export const looksMax = 30;
/** The same before its first word: on a busy machine a program takes long to be loaded. */
export const firstLooksMax = 300;

/** The silence of one process. */
export class Silence {
  #looks = 0;
  #looksMax = firstLooksMax;

  /** It says something. */
  handleWord(): void {
    this.#looks = 0;
    this.#looksMax = looksMax;
  }

  /** One more look; whether it has said nothing for too long. */
  look(): boolean {
    this.#looks += 1;
    return this.#looks > this.#looksMax;
  }
}
