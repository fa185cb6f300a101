/**
 * Whether the certificates that a destination is to name are there and fit their places. certstore knows; it is asked
 * before the change, and only when the change names others than before, so that everything else of a destination can be
 * changed while certstore is away.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Bus } from '@postern/bus';
import {
  type CertificateUse,
  type Route,
  ask,
  certificateUses,
  checkCertificates,
  passwordPlace,
} from '@postern/contracts';
import { invalid } from './errors.ts';

/** What names certificates, with the front that it has or is to have. */
export type Naming = Pick<Route, 'kind' | 'resource' | 'front'>;

/** Whose change it is: `before` is the destination as it is, `keyGateways` what the API key is for. */
export interface Checked {
  readonly before?: Naming;
  readonly keyGateways?: string[] | undefined;
}

/** Throws `ROUTER_INVALID` that names each field, or what asking threw. */
export type CheckCertificates = (gatewayId: string, naming: Naming, change: Checked) => Promise<void>;

/** Asks certstore. */
export function certificateCheck(bus: Bus): CheckCertificates {
  return async (gatewayId, naming, { before, keyGateways }) => {
    const uses = usesOf(naming, gatewayId);
    if (uses.length === 0 || (before !== undefined && namesTheSame(naming, before))) return;
    const of = keyGateways === undefined ? {} : { keyGateways };
    const { faults } = await ask(bus, checkCertificates, { uses, ...of });
    if (faults.length > 0) throw invalid(faults.map(({ path, message }) => ({ path, message })));
  };
}

/** Whether both name the same certificates in the same places, for the same host. */
export function namesTheSame(one: Naming, other: Naming): boolean {
  return isDeepStrictEqual(usesOf(one, ''), usesOf(other, ''));
}

/** The certificates that are named, and where. */
export function certificatesIn(naming: Naming): { id: string; field: string }[] {
  return certificateUses(naming).filter(({ role }) => role !== 'password');
}

function usesOf(naming: Naming, gatewayId: string): CertificateUse[] {
  const place = passwordPlace(gatewayId, naming.resource);
  return certificateUses(naming).map(({ id, field, role, holder }) => ({
    id,
    field,
    role,
    holder,
    ...(role === 'server' && naming.front !== undefined ? { host: naming.front.host } : {}),
    ...(role === 'password' ? { place } : {}),
  }));
}
