/** What is to be said of a front that nobody gets through: who reads no more than a destination's warnings sees it there too. */
import type { Destination, Front } from '@postern/contracts';

/** What keeps nodes from serving it, once for all of which it is the same. */
export function frontWarnings(listening: Front['listening']): Destination['warnings'] {
  const failing = listening.filter(({ error }) => error !== null);
  return [...Map.groupBy(failing, ({ error }) => error)].map(([error, nodes]) => ({
    path: '/front',
    code: 'ADMIN_FRONT_NOT_SERVED',
    message: `not served at ${nodes.map(({ node }) => node).join(', ')}: ${error}`,
  }));
}

/** Said of a destination that nobody may call. */
export const closedWarning: Destination['warnings'][number] = {
  path: '/id',
  code: 'ADMIN_SOURCE_RULES_CLOSED',
  message: 'its source rules are restricted, and there is none: nobody is let in',
};
