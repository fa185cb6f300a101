/**
 * Changes of what nodes go by are answered when they are in force: each node that is up has been asked for what is new, and
 * has it. Who then calls a front meets what the answer says. A node that does not answer in a second is not waited for; it
 * catches up by itself, and the answer names it, as it does those that are silent: cut off, they run on. Of clients only
 * those of the gateway that was changed are waited for.
 *
 *     caller ──change──► owner, stored ──► all nodes: catch up ──► answer
 */
import type { Bus } from '@postern/bus';
import { ask, catchUpAtNode, listNodes } from '@postern/contracts';
import type { Endpoint } from '../http/endpoint.ts';

const listDeadlineMs = 500;
const allNodes = '*';

/** The same endpoints; those that change what nodes go by wait for them. */
export function answeredInForce(bus: Bus, endpoints: readonly Endpoint[]): Endpoint[] {
  return endpoints.map((one) =>
    one.atNodes !== true
      ? one
      : {
          ...one,
          run: async (call) => {
            const { whenInForce, ...answer } = await one.run(call);
            const missing = await untilInForce(bus, call.params['gatewayId'] ?? null);
            const told = missing.length === 0 ? answer : { ...answer, notInForceAt: missing };
            return whenInForce === undefined ? told : { ...told, body: await whenInForce() };
          },
        },
  );
}

/**
 * The nodes that did not say so; where it is not known which there are, all. The change is stored: that it cannot be told how
 * far it has come is no fault of it.
 */
async function untilInForce(bus: Bus, gatewayId: string | null): Promise<string[]> {
  const known = await ask(bus, listNodes, {}, { deadlineMs: listDeadlineMs }).catch(() => null);
  if (known === null) return [allNodes];
  // One that is about to be ready fetches all of it before; one that drains has tunnels and callers yet.
  const running = known.items.filter(({ heard, ready, draining }) => !heard || ready || draining);
  const missing = await Promise.all(
    running.map(async ({ name, heard }) => (heard && (await isInForce(bus, name, gatewayId)) ? [] : [name])),
  );
  return missing.flat();
}

async function isInForce(bus: Bus, node: string, gatewayId: string | null): Promise<boolean> {
  return ask(bus, catchUpAtNode, { gatewayId }, { suffix: node }).then(
    ({ fetched = true }) => fetched,
    () => false,
  );
}
