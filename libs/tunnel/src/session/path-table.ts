/**
 * What a session carries, by number (docs/PROTOCOL.md, "Streams"). Each end numbers what begins there, one odd and the other
 * even, always upwards and never twice. So what is below the highest and not in the table was left, and frames for it are
 * late; what is above was never given.
 */
import { Shares } from '@postern/share';
import { brokenProtocol } from '../error.ts';
import { SlotMap } from '../memory/slot-map.ts';
import type { PathEnd } from './path-end.ts';

/** The highest number that an end gives. */
const numberMax = 0xffff_fffd;

/** One per session. */
export class PathTable {
  readonly #paths = new SlotMap<number, PathEnd>();
  readonly #sizeMax: number;
  #nextOwn: number;
  #peerHighest = 0;
  /** Null where all are of one scope. */
  #shares: Shares | null = null;

  /** The dialling end numbers 1, 3, 5…; the other 2, 4, 6… */
  constructor(dialer: boolean, sizeMax: number) {
    this.#nextOwn = dialer ? 1 : 2;
    this.#sizeMax = sizeMax;
  }

  get size(): number {
    return this.#paths.size;
  }

  /** From now on, before the first path, no scope has more than half: the session carries those of many. */
  shareAmongScopes(): void {
    this.#shares = new Shares(this.#sizeMax);
  }

  /** Whether there is no place for one more of this scope. */
  isFullFor(scope: string): boolean {
    return this.#shares === null ? this.size >= this.#sizeMax : this.#shares.whyFull(scope) !== null;
  }

  /** Whether no number is left to give. */
  get isUsedUp(): boolean {
    return this.#nextOwn > numberMax;
  }

  /** The highest number with which the peer began something; 0 before the first. */
  get peerHighest(): number {
    return this.#peerHighest;
  }

  all(): PathEnd[] {
    return [...this.#paths.values()];
  }

  /** What a frame is for; undefined where it is late. Throws where the number was never given. */
  find(id: number): PathEnd | undefined {
    const path = this.#paths.get(id);
    if (path === undefined) this.#checkGiven(id);
    return path;
  }

  /** Gives a number to a path that begins here. */
  add(path: PathEnd): number {
    const id = this.#nextOwn;
    this.#nextOwn += 2;
    this.adopt(id, path);
    return id;
  }

  /** The peer begins something. Throws where the number is not its to give. */
  handleNew(id: number): void {
    if (this.#isOwn(id) || id <= this.#peerHighest || id > numberMax)
      throw brokenProtocol(`stream ${id} is not the peer's to open`);
    this.#peerHighest = id;
  }

  /** Takes a path under the number that the peer began it with. */
  adopt(id: number, path: PathEnd): void {
    this.#paths.set(id, path);
    this.#shares?.take(path.scope);
  }

  /** Lets a path go; undefined where it has gone already. */
  remove(id: number): PathEnd | undefined {
    const path = this.#paths.get(id);
    if (path === undefined) return undefined;
    this.#paths.delete(id);
    this.#shares?.leave(path.scope);
    return path;
  }

  /** Lets go of what began here with a higher number, one by one. */
  *removeOwnAbove(last: number): Generator<PathEnd> {
    for (const [id, path] of this.#paths) {
      if (!this.#isOwn(id) || id <= last) continue;
      this.remove(id);
      yield path;
    }
  }

  removeAll(): PathEnd[] {
    const paths = this.all();
    this.#paths.clear();
    if (this.#shares !== null) this.shareAmongScopes();
    return paths;
  }

  #isOwn(id: number): boolean {
    return (id & 1) === (this.#nextOwn & 1);
  }

  #checkGiven(id: number): void {
    if (id === 0 || (this.#isOwn(id) ? id >= this.#nextOwn : id > this.#peerHighest))
      throw brokenProtocol(`stream ${id} was never opened`);
  }
}
