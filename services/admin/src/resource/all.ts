/** Every endpoint of the API, in the order of its description. */
import type { Bus } from '@postern/bus';
import type { Store } from '@postern/store';
import type { Endpoint } from '../http/endpoint.ts';
import { accessListEndpoints } from './access-list.ts';
import { apiKeyEndpoints } from './api-key.ts';
import { backupEndpoints } from './backup.ts';
import { certificateEndpoints } from './certificate.ts';
import { clientEndpoints } from './client.ts';
import { destinationEndpoints } from './destination.ts';
import { fleetEndpoints } from './fleet.ts';
import { gatewayEndpoints } from './gateway.ts';
import { healthEndpoints } from './health.ts';
import { answeredInForce } from './in-force.ts';
import { sourceRuleEndpoints } from './source-rule.ts';
import { tokenEndpoints } from './token.ts';
import type { WrongClocks } from './wrong-clocks.ts';

/** All of them. */
export function allEndpoints(parts: {
  bus: Bus;
  store: Store;
  version: string;
  clocks: Pick<WrongClocks, 'warnings'>;
}): Endpoint[] {
  const { bus, store, version, clocks } = parts;
  return answeredInForce(bus, [
    ...gatewayEndpoints(bus),
    ...tokenEndpoints(bus),
    ...destinationEndpoints(bus),
    ...sourceRuleEndpoints(bus),
    ...accessListEndpoints(bus),
    ...clientEndpoints(bus),
    ...fleetEndpoints(bus),
    ...certificateEndpoints(bus),
    ...apiKeyEndpoints(bus),
    ...backupEndpoints(bus, version),
    ...healthEndpoints({ bus, store, version, clocks }),
  ]);
}
