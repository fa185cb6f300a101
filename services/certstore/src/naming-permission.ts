/**
 * Which certificates an API key for certain gateways may name. Certificates belong to no gateway, so a key that is for
 * all assigns one to a gateway by naming it in a destination there; from then on keys of that gateway may name it too, for
 * the same end (node or client) in the same role. Both matter: what is only verified by would become what is shown,
 * and a private key that a node holds would go to a client's machine.
 */
import type { CertificateUse } from '@postern/contracts';
import { certstoreError } from './errors.ts';
import type { Usage } from './usage.ts';

/**
 * Rejects with `CERTSTORE_CERTIFICATE_DENIED` where a certificate is named that no destination of these gateways names in
 * the same way; whether there is such a certificate is not said.
 */
export async function demandNamedAlready(
  usage: Usage,
  uses: readonly CertificateUse[],
  gateways: readonly string[],
): Promise<void> {
  const certificates = uses.filter(({ role }) => role !== 'password');
  if (certificates.length === 0) return;
  await usage.demandFresh();
  const isNamed = ({ id, role, holder }: CertificateUse): boolean =>
    usage
      .of(id)
      .some((use) => use.role === role && use.holder === holder && gateways.includes(use.route.gatewayId));
  const errors = certificates
    .filter((use) => !isNamed(use))
    .map(({ field: path }) => ({ path, message: 'is not for this API key to name' }));
  if (errors.length === 0) return;
  const places = errors.map(({ path }) => path).join(', ');
  throw certstoreError(
    'CERTSTORE_CERTIFICATE_DENIED',
    `an API key for certain gateways may name a certificate only as a destination of theirs names it already, ` +
      `which is not so in ${places}: have it named by a key for all gateways`,
    { errors },
  );
}
