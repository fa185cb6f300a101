/** The certificate library, after what it needs loaded first. It signs with the global WebCrypto, which is Node's own. */
import 'reflect-metadata';

export * from '@peculiar/x509';
