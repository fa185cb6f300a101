/** What a dial tells of its steps, for an operator who wants to see it happen. */

/** The steps of a dial, in their order; not every dial has all. */
const dialStepNames = ['access list', 'proxy', 'resolve', 'connect', 'TLS', 'HTTP', 'send'] as const;

/** One step of a dial. */
export interface DialStep {
  readonly name: (typeof dialStepNames)[number];
  readonly ok: boolean;
  readonly ms: number;
  /** What was found, or the cause in plain words. */
  readonly text: string;
}

/** Takes each step as it is done. */
export type StepListener = (step: DialStep) => void;

/** Runs a step and tells of it: what `found` says of the result, or the error's message. */
export async function takeStep<Result>(
  listener: StepListener | undefined,
  name: DialStep['name'],
  work: () => Result | Promise<Result>,
  found: (result: Result) => string,
): Promise<Result> {
  if (listener === undefined) return work();
  const since = performance.now();
  const tell = (ok: boolean, text: string): void =>
    listener({ name, ok, ms: Math.round((performance.now() - since) * 10) / 10, text });
  try {
    const result = await work();
    tell(true, found(result));
    return result;
  } catch (error) {
    tell(false, error instanceof Error ? error.message : String(error));
    throw error;
  }
}
