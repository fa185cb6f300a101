/** The CA of the platform's own servers (NATS, MongoDB), and their certificates, which are renewed in time at any start. */
import {
  createAuthority,
  createSigningRequest,
  describeCertificate,
  generateKey,
  loadAuthority,
  type Authority,
} from '@postern/tls';
import type { SecretFolder } from './secret-folder.ts';

const certificateDays = 397;
const renewBeforeDays = 120;
const dayMs = 86_400_000;

/** The CA, which only the set-up can use. */
export async function serverAuthority(own: SecretFolder): Promise<Authority> {
  if (!own.has('ca.key') || !own.has('ca.pem')) {
    const made = await createAuthority({ commonName: 'Postern servers' });
    own.write('ca.key', made.keyPem);
    own.write('ca.pem', made.certificatePem);
  }
  return loadAuthority({ keyPem: own.read('ca.key'), certificatePem: own.read('ca.pem') });
}

/** Puts key and certificate for a server into its folder, unless those there are good for long enough. */
export async function serverCertificate(
  authority: Authority,
  folder: SecretFolder,
  names: readonly string[],
): Promise<void> {
  folder.write('ca.pem', authority.certificatePem);
  if (folder.has('server.pem') && isGood(folder.read('certificate.pem'), names)) return;
  const commonName = names[0] ?? 'server';
  const keyPem = await generateKey();
  const csrPem = await createSigningRequest({ keyPem, commonName, names: [...names] });
  const certificatePem = await authority.issue({
    csrPem,
    names: [...names],
    addresses: ['127.0.0.1'],
    usage: 'both',
    notAfter: new Date(Date.now() + certificateDays * dayMs),
  });
  folder.write('key.pem', keyPem);
  folder.write('certificate.pem', certificatePem);
  folder.write('server.pem', `${certificatePem.trimEnd()}\n${keyPem}`);
}

function isGood(certificatePem: string, names: readonly string[]): boolean {
  const { notAfter, names: has } = describeCertificate(certificatePem);
  return (
    notAfter.getTime() > Date.now() + renewBeforeDays * dayMs && names.every((name) => has.includes(name))
  );
}
