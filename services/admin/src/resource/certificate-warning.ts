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

/** As many as one question takes, and more than one destination has. */
const usesPerQuestion = 64;

type Warning = Destination['warnings'][number];

/** The warnings of each destination, in the same order. */
export async function certificateWarnings(
  bus: Bus,
  destinations: readonly Destination[],
): Promise<Warning[][]> {
  // Those of one destination go together: its client CAs are judged by each other.
  const questions: CertificateUse[][] = [[]];
  for (const [index, destination] of destinations.entries()) {
    const uses = usesOf(destination, index);
    if ((questions.at(-1)?.length ?? 0) + uses.length > usesPerQuestion) questions.push([]);
    questions.at(-1)?.push(...uses);
  }
  const warnings = destinations.map((): Warning[] => []);
  for (const uses of questions.filter(({ length }) => length > 0)) {
    for (const found of await checked(bus, uses)) {
      const cut = found.path.indexOf('/');
      warnings[Number(found.path.slice(0, cut))]?.push({ ...found, path: found.path.slice(cut) });
    }
  }
  return warnings;
}

/** The path says which destination a use is of, and comes back with the answer. */
function usesOf(destination: Destination, index: number): CertificateUse[] {
  const place = passwordPlace(destination.gatewayId, destination.resource);
  return certificateUses(destination).map(({ id, field, role }) => ({
    id,
    role,
    field: `${index}${field}`,
    ...(role === 'password' ? { place } : {}),
  }));
}

async function checked(bus: Bus, uses: CertificateUse[]): Promise<Warning[]> {
  const { faults, warnings } = await ask(bus, checkCertificates, { uses });
  return [...faults, ...warnings];
}
