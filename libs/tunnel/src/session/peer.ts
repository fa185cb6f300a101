/** Who is at the other end of a session, and whose streams it carries. */

/** Who is at the other end of a session, as the handshake proved it. */
export interface Peer {
  /** The gateway, or `linkScope` for a link between nodes; streams of one scope never move to another. */
  scope: string;
  /** Client ID or node name. */
  id: string;
  bootId: string;
  /** A node of the cluster, which may speak for others (relays). */
  trusted?: boolean;
  /** What it announced in HELLO that it understands; the application's to name, none where it announced nothing. */
  features?: ReadonlySet<string>;
}

/**
 * The scope of a session between two nodes; no gateway has this name. Links carry streams of every gateway, so each OPEN
 * and RESUME there names the gateway whose stream it is.
 */
export const linkScope = '';

/** What OPEN and RESUME say more on a link than on a tunnel. */
export function gatewayFor({ scope }: Peer, gateway: string): { gateway?: string } {
  return scope === linkScope ? { gateway } : {};
}
