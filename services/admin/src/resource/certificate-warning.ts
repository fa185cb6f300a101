/** What is to be said of the certificates that destinations name: that one ends soon, has ended, or is gone. certstore knows. */
import type { Bus } from '@postern/bus';
import {
  type CertificateUse,
  type Destination,
  ask,
  certificateUses,
  checkCertificates,
  passwordPlace,
} from '@postern/contracts';

/** As many as one question takes. */
const usesPerQuestion = 64;

type Warning = Destination['warnings'][number];

/** The warnings of each destination, in the same order. */
export async function certificateWarnings(
  bus: Bus,
  destinations: readonly Destination[],
): Promise<Warning[][]> {
  // The path says which destination a use is of, and comes back with the answer.
  const uses = destinations.flatMap((destination, index) => {
    const place = passwordPlace(destination.gatewayId, destination.resource);
    return certificateUses(destination).map(({ id, field, role }) => ({
      id,
      role,
      field: `${index}${field}`,
      ...(role === 'password' ? { place } : {}),
    }));
  });
  const warnings = destinations.map((): Warning[] => []);
  for (let first = 0; first < uses.length; first += usesPerQuestion) {
    for (const found of await checked(bus, uses.slice(first, first + usesPerQuestion))) {
      const cut = found.path.indexOf('/');
      warnings[Number(found.path.slice(0, cut))]?.push({ ...found, path: found.path.slice(cut) });
    }
  }
  return warnings;
}

async function checked(bus: Bus, uses: CertificateUse[]): Promise<Warning[]> {
  const { faults, warnings } = await ask(bus, checkCertificates, { uses });
  return [...faults, ...warnings];
}
