/** A dial without a stream: every step is told, and what was opened is closed again. */
import type { Socket as DatagramSocket } from 'node:dgram';
import type { Socket } from 'node:net';
import { ResetCode } from '@postern/tunnel';
import { askHttp } from './http-ask.ts';
import { type ReachTarget, findByDatagrams } from './reach.ts';
import { type ResourceParts, dialResource } from './resource-dialer.ts';
import { ResourceError } from './resource-error.ts';
import { type DialStep, type StepListener, takeStep } from './step.ts';

/** How long a resource of UDP is listened to for a word that nobody is there. */
const refusalMs = 500;

/** What is tried. */
export interface Trial {
  readonly target: ReachTarget;
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
    if (trial.target.protocol === 'udp') {
      await sendAsStep(onStep, await findByDatagrams({ ...parts, onStep }, trial.target, signal), signal);
      return steps;
    }
    const { socket } = await dialResource({ ...parts, onStep }, { ...trial.target, isTrial: true }, signal);
    socket.on('error', () => {});
    try {
      await askAsStep(onStep, socket, trial, signal);
    } finally {
      socket.destroy();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ResourceError)) throw error;
    // What ends a dial between two steps, such as a password that is not here, is told as the step that did not come.
    if (steps.at(-1)?.ok !== false)
      onStep({ name: trial.target.proxy ? 'proxy' : 'connect', ok: false, ms: 0, text: error.message });
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

/**
 * One empty datagram, and what comes of it. ICMP may say that nobody listens there; silence says nothing, since most
 * programs answer none of what they do not know, and firewalls drop without a word.
 */
async function sendAsStep(
  onStep: StepListener,
  { socket, address }: { socket: DatagramSocket; address: string },
  signal: AbortSignal,
): Promise<void> {
  const port = socket.remoteAddress().port;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const unheard = `an empty datagram was sent to ${address}:${port}, and for ${refusalMs} ms nothing said that nobody listens there; more UDP does not tell`;
  const timer = setTimeout(() => resolve(unheard), refusalMs);
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort);
  socket.on('error', (error: NodeJS.ErrnoException) => {
    const refused = error.code === 'ECONNREFUSED';
    const text = refused
      ? `${address}:${port} takes no datagrams: nobody listens there (ICMP)`
      : `${address}:${port} cannot be sent datagrams: ${error.code ?? error.message}`;
    reject(new ResourceError(refused ? ResetCode.Refused : ResetCode.Unreachable, text));
  });
  socket.on('message', (payload) => resolve(`${address}:${port} answered with ${payload.length} bytes`));
  try {
    await takeStep(
      onStep,
      'send',
      () => {
        socket.send(Buffer.alloc(0), (error) => {
          if (error !== null) socket.emit('error', error);
        });
        return promise;
      },
      (text) => text,
    );
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    socket.close();
  }
}
