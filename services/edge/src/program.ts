/** The node as a program: its settings, and what of them a start would refuse. */
import { ConfigError, defineProgram } from '@postern/config';
import { ExitError } from '@postern/telemetry';
import { Balancers } from './balancers.ts';
import { cloudReach } from './cloud/cloud-reach.ts';
import { type EdgeSettings, schema } from './config.ts';
import { assertWorkersFit } from './workers/worker-settings.ts';

/** The program `postern-edge`. */
export const program = defineProgram({
  name: 'postern-edge',
  description: 'A node: ends the tunnels of clients and serves the fronts of destinations.',
  environmentPrefix: 'EDGE',
  schema,
  check: checkSettings,
});

/** Reads all that a start reads before it opens anything. */
function checkSettings(settings: EdgeSettings): void {
  try {
    assertWorkersFit(settings);
    void new Balancers(settings);
    cloudReach(settings);
  } catch (error) {
    if (!(error instanceof ExitError)) throw error;
    throw new ConfigError([{ code: 'CONFIG_INVALID', message: error.message }]);
  }
}
