/**
 * The CA of the platform's own servers (NATS, MongoDB), and their certificates. Those end with the CA: a server reads its
 * certificate as it starts, and one that runs for years without a new start would be trusted by nobody from one day on.
 */
import {
  createAuthority,
  createSigningRequest,
  describeCertificate,
  generateKey,
  loadAuthority,
  type Authority,
} from '@postern/tls';
import type { SecretFolder } from './secret-folder.ts';

/** The CA, which only the set-up can use. */
export async function serverAuthority(own: SecretFolder): Promise<Authority> {
  if (!own.has('ca.key') || !own.has('ca.pem')) {
    const made = await createAuthority({ commonName: 'Postern servers' });
    own.write('ca.key', made.keyPem);
    own.write('ca.pem', made.certificatePem);
  }
  return loadAuthority({ keyPem: own.read('ca.key'), certificatePem: own.read('ca.pem') });
}

/** Puts key and certificate for a server into its folder, unless those there are as they would be. */
export async function serverCertificate(
  authority: Authority,
  folder: SecretFolder,
  names: readonly string[],
): Promise<void> {
  folder.write('ca.pem', authority.certificatePem);
  if (folder.has('server.pem') && isGood(folder.read('certificate.pem'), authority, names)) return;
  const commonName = names[0] ?? 'server';
  const keyPem = await generateKey();
  const csrPem = await createSigningRequest({ keyPem, commonName, names: [...names] });
  const certificatePem = await authority.issue({
    csrPem,
    names: [...names],
    addresses: ['127.0.0.1'],
    usage: 'both',
    notAfter: authority.notAfter,
  });
  folder.write('key.pem', keyPem);
  folder.write('certificate.pem', certificatePem);
  folder.write('server.pem', `${certificatePem.trimEnd()}\n${keyPem}`);
}

function isGood(certificatePem: string, authority: Authority, names: readonly string[]): boolean {
  const { notAfter, names: has } = describeCertificate(certificatePem);
  return notAfter >= authority.notAfter && names.every((name) => has.includes(name));
}
