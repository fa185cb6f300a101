/**
 * Which destination owns a name on a shared port: a server name of TLS, or a Host of plain HTTP. An exact name goes before a wildcard, and a wildcard stands for one
 * label: `*.example.com` has `a.example.com`, neither `a.b.example.com` nor `example.com`. The router sees to it that
 * no two have the same name; should two be told here (one is being deleted, the other made), the later one has it.
 */
import type { FrontRoute } from '@postern/contracts';

/** Names and their destinations. */
export class FrontNames {
  readonly #own: ReadonlySet<string>;
  readonly #byName = new Map<string, FrontRoute>();
  readonly #names = new Map<string, string>();

  /** `own` are the platform's: they are nobody's, not even by a wildcard. */
  constructor(own: readonly string[] = []) {
    this.#own = new Set(own.map((name) => name.toLowerCase()));
  }

  /** How many destinations have one. */
  get size(): number {
    return this.#names.size;
  }

  /** A destination is new or another; null when it has no name here any more. */
  apply(destinationId: string, route: FrontRoute | null): void {
    const former = this.#names.get(destinationId);
    if (former !== undefined && this.#byName.get(former)?.id === destinationId) this.#byName.delete(former);
    this.#names.delete(destinationId);
    if (route === null) return;
    const name = route.front.host.toLowerCase().replace(/\.$/, '');
    this.#names.set(destinationId, name);
    this.#byName.set(name, route);
  }

  /** The owner of a name, which is in lower case. */
  find(name: string): FrontRoute | undefined {
    if (this.#own.has(name)) return undefined;
    return this.#byName.get(name) ?? this.#byName.get(`*${name.slice(name.indexOf('.'))}`);
  }
}
