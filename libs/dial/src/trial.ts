/** A dial without a stream: every step is told, and what was opened is closed again. */
import type { Socket } from 'node:net';
import { ResetCode } from '@postern/tunnel';
import { askHttp } from './http-ask.ts';
import { type ResourceParts, type ResourceTarget, dialResource } from './resource-dialer.ts';
import { ResourceError } from './resource-error.ts';
import { type DialStep, type StepListener, takeStep } from './step.ts';

/** What is tried. */
export interface Trial {
  readonly target: ResourceTarget;
  /** The request to make when the connection stands. */
  readonly http: { host: string; path: string } | null;
  /** Which statuses of its answer are well. */
  readonly isWell: (status: number) => boolean;
}

/** The steps, the last of which is not ok when the trial failed. Rejects only with the signal's reason. */
export async function tryResource(
  parts: Omit<ResourceParts, 'onStep'>,
  trial: Trial,
  signal: AbortSignal,
): Promise<DialStep[]> {
  const steps: DialStep[] = [];
  const onStep = (step: DialStep): void => void steps.push(step);
  try {
    const { socket } = await dialResource({ ...parts, onStep }, { ...trial.target, byEvents: true }, signal);
    socket.on('error', () => {});
    try {
      await askAsStep(onStep, socket, trial, signal);
    } finally {
      socket.destroy();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ResourceError)) throw error;
  }
  return steps;
}

async function askAsStep(
  onStep: StepListener,
  socket: Socket,
  { target, http, isWell }: Trial,
  signal: AbortSignal,
): Promise<void> {
  if (http === null) return;
  const answered = (status: number): string => `${http.path} was answered with ${status}`;
  const ask = async (): Promise<number> => {
    const status = await askHttp(socket, { ...http, port: target.port }, signal);
    if (isWell(status)) return status;
    throw new ResourceError(ResetCode.Refused, answered(status));
  };
  await takeStep(onStep, 'HTTP', ask, answered);
}
