/** The ports that haproxy listens on. It takes one twice without a word, and connections go to either of the two by chance. */
import { ExitCode } from '@postern/config';
import { ExitError } from '@postern/telemetry';
import type { BalancerOptions } from './config.ts';

/** Refuses settings by which two of them are the same; throws `ExitError` (78) that names both. */
export function demandPortsDiffer(options: BalancerOptions): void {
  const { connectPort, httpPort, tunnelPort, frontPortFirst, frontPortLast } = options;
  const known = new Map<number, string>();
  for (const [name, port] of Object.entries({ connectPort, httpPort, tunnelPort })) {
    if (port === 0) continue;
    const isFront = port >= frontPortFirst && port <= frontPortLast;
    const other = isFront ? 'a port of fronts' : known.get(port);
    if (other !== undefined)
      throw new ExitError(
        ExitCode.configuration,
        `ports must differ: ${name} and ${other} would both be ${port}`,
      );
    known.set(port, name);
  }
}
