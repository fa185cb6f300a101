/** The balancer as a program: its settings, and what of them a start would refuse. */
import { ConfigError, defineProgram } from '@postern/config';
import { ExitError } from '@postern/telemetry';
import { type BalancerOptions, schema } from './config.ts';
import { demandNodeSource } from './node-source.ts';
import { demandPortsDiffer } from './own-ports.ts';
import { plainAddress } from './static-address.ts';

/** The program `postern-balancer`. */
export const program = defineProgram({
  name: 'postern-balancer',
  description: 'Holds the static address with another machine and passes connections on to the nodes.',
  environmentPrefix: 'BALANCER',
  schema,
  check: checkOptions,
});

/** Reads all that a start reads before it serves. */
function checkOptions(options: BalancerOptions): void {
  const { virtualAddresses, peers, ownAddress } = options;
  try {
    demandNodeSource(options);
    demandPortsDiffer(options);
    for (const setting of [
      ...virtualAddresses,
      ...peers,
      ...(ownAddress === undefined ? [] : [ownAddress]),
    ]) {
      plainAddress(setting);
    }
  } catch (error) {
    if (!(error instanceof ExitError)) throw error;
    throw new ConfigError([{ code: 'CONFIG_INVALID', message: error.message }]);
  }
}
