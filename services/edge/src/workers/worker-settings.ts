/**
 * What differs between the workers of one machine. Each is a node like any other, so it has a name and a tunnel, link
 * and ops port of its own; the connect port and the fronts are the same for all, and the kernel deals their connections.
 *
 *     edge-1, 2 workers     connect, fronts   tunnel   link   ops
 *       supervisor                -              -       -    9101    ready while a worker is
 *       edge-1-1              shared           9000    9001   9111
 *       edge-1-2              shared           9010    9011   9121
 */
import { ExitCode } from '@postern/config';
import { ExitError } from '@postern/telemetry';
import type { EdgeSettings } from '../config.ts';
import { assertPortsDiffer, portsOfWorker } from './worker-ports.ts';

const nameCharactersMax = 63;

/** The settings of worker `worker`, counted from 1; those of the only process as they are. Throws where they cannot be. */
export function settingsOfWorker(settings: EdgeSettings, worker: number): EdgeSettings {
  const { workers, name, zone } = settings;
  if (worker > workers) throw unusable(`there is no worker ${worker} of ${workers}`);
  if (workers === 1) return settings;
  if (settings.connectPort === 0) throw unusable('workers share the connect port: give it a number, not 0');
  if (settings.httpPort === 0) throw unusable('workers share the HTTP port: give it a number, not 0');
  const workerName = `${name}-${worker}`;
  if (workerName.length > nameCharactersMax) throw unusable(`the node name ${workerName} is too long`);
  return {
    ...settings,
    name: workerName,
    // They die together, so a client's second tunnel belongs on another machine.
    zone: zone === '' ? name : zone,
    ...portsOfWorker(settings, worker),
  };
}

/** Refuses settings with which the processes of this machine could not run beside each other. */
export function assertWorkersFit(settings: EdgeSettings): void {
  const { workers, worker } = settings;
  settingsOfWorker(settings, Math.max(worker, 1));
  if (workers === 1) return;
  for (let each = 1; each <= workers; each += 1) settingsOfWorker(settings, each);
  assertPortsDiffer(settings);
}

function unusable(text: string): ExitError {
  return new ExitError(ExitCode.configuration, text);
}
