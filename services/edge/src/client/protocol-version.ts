/** Which versions of the tunnel protocol this node speaks, on tunnels and on links, and which one two ends agree on. */
import { EdgeError } from '../errors.ts';

/** The versions, of which the highest in common counts. */
export const protocolVersions = [1] as const;

/** The version to speak with an end that offers these. Throws `EdgeError`. */
export function agreedVersion(offered: readonly number[], own: readonly number[] = protocolVersions): number {
  const common = own.filter((version) => offered.includes(version));
  if (common.length > 0) return Math.max(...common);
  throw new EdgeError(
    'EDGE_VERSION_UNKNOWN',
    `this node speaks version ${own.join(', ')} of the tunnel protocol`,
  );
}
