// The throw-away CA of one run, and what it signed: a server's and a client's certificate (P-256, with PEM
// bundles for haproxy and a PKCS #12 file for rathole) and the two SSH keys. Good for loopback, for a day.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './program.ts';

/** Files of the throw-away CA. */
export interface Keys {
  readonly ca: string;
  readonly serverCertificate: string;
  readonly serverKey: string;
  /** Certificate and key in one file. */
  readonly serverBundle: string;
  readonly serverPkcs12: string;
  readonly pkcs12Password: string;
  readonly clientCertificate: string;
  readonly clientKey: string;
  readonly clientBundle: string;
  readonly sshHostKey: string;
  readonly sshUserKey: string;
}

const stepTimeoutMs = 20_000;
const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
const extensions = `subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:bench.example
extendedKeyUsage=serverAuth,clientAuth
basicConstraints=CA:FALSE
`;

/** Makes all of them in a folder that is there and empty. */
export async function makeKeys(directory: string): Promise<Keys> {
  const file = (name: string): string => join(directory, name);
  const openssl = (...args: string[]): Promise<string> => run({ file: 'openssl', args }, stepTimeoutMs);
  const pkcs12Password = 'throw-away';

  const [authority, authorityKey] = [file('ca.pem'), file('ca.key')];
  await openssl(
    'req',
    '-x509',
    ...curve,
    '-keyout',
    authorityKey,
    '-out',
    authority,
    '-subj',
    '/CN=bench CA',
    '-days',
    '1',
  );
  await writeFile(file('extensions'), extensions);
  const signer = [
    '-CA',
    authority,
    '-CAkey',
    authorityKey,
    '-CAcreateserial',
    '-days',
    '1',
    '-extfile',
    file('extensions'),
  ];
  for (const name of ['server', 'client']) {
    const [key, request, certificate] = [file(`${name}.key`), file(`${name}.csr`), file(`${name}.crt`)];
    await openssl('req', ...curve, '-keyout', key, '-out', request, '-subj', `/CN=${name}`);
    await openssl('x509', '-req', '-in', request, '-out', certificate, ...signer);
    const bundle = (await readFile(certificate, 'utf8')) + (await readFile(key, 'utf8'));
    await writeFile(file(`${name}.pem`), bundle, { mode: 0o600 });
  }
  const contents = ['-in', file('server.crt'), '-inkey', file('server.key'), '-certfile', authority];
  await openssl(
    'pkcs12',
    '-export',
    ...contents,
    '-out',
    file('server.p12'),
    '-passout',
    `pass:${pkcs12Password}`,
  );
  for (const name of ['ssh_host', 'ssh_user']) {
    await run(
      { file: 'ssh-keygen', args: ['-q', '-t', 'ed25519', '-N', '', '-f', file(name)] },
      stepTimeoutMs,
    );
  }
  return {
    ca: authority,
    serverCertificate: file('server.crt'),
    serverKey: file('server.key'),
    serverBundle: file('server.pem'),
    serverPkcs12: file('server.p12'),
    pkcs12Password,
    clientCertificate: file('client.crt'),
    clientKey: file('client.key'),
    clientBundle: file('client.pem'),
    sshHostKey: file('ssh_host'),
    sshUserKey: file('ssh_user'),
  };
}
