/**
 * Changes of what nodes go by are answered when they are in force: each node that is up has been asked for what is new, and
 * has it. Who then calls a front meets what the answer says. A node that does not answer in a second is not waited for; it
 * catches up by itself. Of clients only those of the gateway that was changed are waited for.
 *
 *     caller ──change──► owner, stored ──► all nodes: catch up ──► answer
 */
import type { Bus } from '@postern/bus';
import { ask, catchUpAtNode, listNodes } from '@postern/contracts';
import type { Endpoint } from '../http/endpoint.ts';

const listDeadlineMs = 500;

/** The same endpoints; those that change what nodes go by wait for them. */
export function answeredInForce(bus: Bus, endpoints: readonly Endpoint[]): Endpoint[] {
  return endpoints.map((one) =>
    one.atNodes !== true
      ? one
      : {
          ...one,
          run: async (call) => {
            const { whenInForce, ...answer } = await one.run(call);
            await untilInForce(bus, call.params['gatewayId'] ?? null);
            return whenInForce === undefined ? answer : { ...answer, body: await whenInForce() };
          },
        },
  );
}

/** The change is stored: that it cannot be told how far it has come is no fault of it. */
async function untilInForce(bus: Bus, gatewayId: string | null): Promise<void> {
  const { items } = await ask(bus, listNodes, {}, { deadlineMs: listDeadlineMs }).catch(() => ({
    items: [],
  }));
  const up = items.filter(({ heard, ready }) => heard && ready);
  await Promise.allSettled(up.map(({ name }) => ask(bus, catchUpAtNode, { gatewayId }, { suffix: name })));
}
