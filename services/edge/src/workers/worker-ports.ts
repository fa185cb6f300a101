/**
 * The ports of the workers of one machine. Those of each are a step from those of the one before; what all share is there
 * once. Where there are so many workers that a link port would be an ops port, it is the next one below that is free:
 * other nodes are told where it is, while balancers and monitoring know tunnel and ops ports by their step.
 *
 *     worker     1      2   …    10     11     12   …    64
 *     link    9001   9011      9091   9099   9109      9629
 */
import { ExitCode } from '@postern/config';
import { ExitError } from '@postern/telemetry';
import type { EdgeSettings } from '../config.ts';

const portMax = 65_535;
const everyAddress: ReadonlySet<string> = new Set(['0.0.0.0', '::']);
/** Of the ports that are there twice. */
const namedMax = 5;

/** What a worker has of its own. */
export type WorkerPorts = Pick<EdgeSettings, 'tunnelPort' | 'linkPort' | 'linkAdvertisePort' | 'opsPort'>;

/** The ports of worker `worker`, counted from 1. Throws where there are none so high. */
export function portsOfWorker(settings: EdgeSettings, worker: number): WorkerPorts {
  const moved = (setting: keyof WorkerPorts, steps: number): number => {
    const port = settings[setting];
    // 0 takes a free port, or stands for the port beside it: either way it is each worker's own.
    if (port === 0) return 0;
    const own = port + steps * settings.workerPortStep;
    if (own > portMax) throw unusable(`${setting} of worker ${worker} would be ${own}`);
    return own;
  };
  const linkPort = moved('linkPort', worker - 1);
  const aside = worker === 1 ? 0 : stepAside(settings, linkPort);
  const advertised = moved('linkAdvertisePort', worker - 1);
  return {
    tunnelPort: moved('tunnelPort', worker - 1),
    linkPort: linkPort - aside,
    linkAdvertisePort: advertised === 0 ? 0 : advertised - aside,
    opsPort: moved('opsPort', worker),
  };
}

/** Refuses settings by which two parts of the machine would listen on the same port. */
export function assertPortsDiffer(settings: EdgeSettings): void {
  const known = new Map<number, Listener[]>();
  const repeats: string[] = [];
  for (const listener of listenersOf(settings)) {
    const { port, host, what } = listener;
    const others = known.get(port) ?? [];
    const other = others.find((one) => meet(one.host, host));
    if (other !== undefined) repeats.push(`${other.what} and ${what} would both be ${port}`);
    known.set(port, [...others, listener]);
  }
  if (repeats.length === 0) return;
  const more = repeats.length > namedMax ? `; and ${repeats.length - namedMax} more` : '';
  throw unusable(`ports must differ: ${repeats.slice(0, namedMax).join('; ')}${more}`);
}

/** All ports of the machine's processes at an address where fronts listen as well, so that they would meet. */
export function portsOfMachine(settings: EdgeSettings): ReadonlySet<number> {
  const frontHost = settings.frontHost === '' ? settings.listenHost : settings.frontHost;
  return new Set(
    listenersOf(settings)
      .filter(({ host }) => meet(host, frontHost))
      .map(({ port }) => port),
  );
}

interface Listener {
  readonly what: string;
  readonly host: string;
  readonly port: number;
}

function listenersOf(settings: EdgeSettings): Listener[] {
  const { listenHost, opsHost } = settings;
  const shared = [
    { what: 'connectPort', host: listenHost, port: settings.connectPort },
    { what: 'httpPort', host: listenHost, port: settings.httpPort },
    { what: 'opsPort of the supervisor', host: opsHost, port: settings.opsPort },
  ];
  const own = countTo(settings.workers).flatMap((worker) => {
    const { tunnelPort, linkPort, opsPort } = portsOfWorker(settings, worker);
    return [
      { what: `tunnelPort of worker ${worker}`, host: listenHost, port: tunnelPort },
      { what: `linkPort of worker ${worker}`, host: listenHost, port: linkPort },
      { what: `opsPort of worker ${worker}`, host: opsHost, port: opsPort },
    ];
  });
  return [...shared, ...own].filter(({ port }) => port > 0);
}

/** How far below `linkPort` a worker's link port is. */
function stepAside({ workers, workerPortStep: step, ...settings }: EdgeSettings, linkPort: number): number {
  const { listenHost, opsHost, opsPort, tunnelPort } = settings;
  const isOps = (port: number): boolean => opsPort > 0 && isOneOf(port, opsPort, step, workers);
  const isTunnel = (port: number): boolean => tunnelPort > 0 && isOneOf(port, tunnelPort, step, workers - 1);
  if (!meet(listenHost, opsHost) || !isOps(linkPort)) return 0;
  let port = linkPort;
  while (port > 1 && (isOps(port) || isTunnel(port))) port -= 1;
  return linkPort - port;
}

/** Whether a port is one of `first` and those that are up to `steps` steps above it. */
function isOneOf(port: number, first: number, step: number, steps: number): boolean {
  const above = port - first;
  return above >= 0 && above % step === 0 && above / step <= steps;
}

/** Whether who listens at both of these addresses needs two ports. */
function meet(one: string, other: string): boolean {
  return one === other || everyAddress.has(one) || everyAddress.has(other);
}

function countTo(n: number): number[] {
  return Array.from({ length: n }, (_, index) => index + 1);
}

function unusable(text: string): ExitError {
  return new ExitError(ExitCode.configuration, text);
}
