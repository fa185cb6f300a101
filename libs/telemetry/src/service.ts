/** Whether a service can do its work now, and what it waits for when not. */
export interface Readiness {
  readonly ready: boolean;
  /** Short words for people: `bus`, `routes`, `certificates`. */
  readonly waitingFor: readonly string[];
}

/** A part of a program with a life: what `runProgram` starts in order and stops in reverse. */
export interface Service {
  readonly name: string;
  /** Resolves when it serves; readiness is told apart. */
  start(): Promise<void>;
  ready(): Readiness;
  /** What `/status` shows: JSON, without secrets. */
  status(): unknown;
  /** Drains and lets go of everything; may be called again. */
  stop(): Promise<void>;
}

/** Readiness from what is missing: ready when nothing is. */
export function readyWhen(missing: Readonly<Record<string, boolean>>): Readiness {
  const waitingFor = Object.keys(missing).filter((part) => missing[part]);
  return { ready: waitingFor.length === 0, waitingFor };
}

/** The readiness of several parts as one; what a part waits for is named `part: what`. */
export function combineReadiness(parts: readonly Pick<Service, 'name' | 'ready'>[]): Readiness {
  const waitingFor = parts.flatMap((part) => {
    const state = part.ready();
    if (state.ready) return [];
    return state.waitingFor.length === 0
      ? [part.name]
      : state.waitingFor.map((what) => `${part.name}: ${what}`);
  });
  return { ready: waitingFor.length === 0, waitingFor };
}
