/**
 * Links between nodes carry streams of every gateway, so their session has no scope of its own: each OPEN and RESUME
 * there names the gateway whose stream it is.
 */
import type { Peer } from './session.ts';

/** The scope of a session between two nodes; no gateway has this name. */
export const linkScope = '';

/** What OPEN and RESUME say more on a link than on a tunnel. */
export function gatewayFor({ scope }: Peer, gateway: string): { gateway?: string } {
  return scope === linkScope ? { gateway } : {};
}
