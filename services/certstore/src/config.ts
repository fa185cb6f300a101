/** The settings of postern-certstore. */
import {
  certificateNameForm,
  defineProgram,
  platformSettings,
  secret,
  serviceSettings,
} from '@postern/config';
import { Type } from 'typebox';

/** A key-encryption key that a transit server holds; standalone can have the same. */
export const transitOptions = {
  transitUrl: Type.String({
    default: '',
    maxLength: 2048,
    placeholder: 'URL',
    description:
      'A Vault or OpenBao server whose transit engine holds the key-encryption key; then this process never sees it.',
  }),
  transitMount: Type.String({
    default: 'transit',
    minLength: 1,
    maxLength: 128,
    placeholder: 'PATH',
    description: 'Where the transit engine is mounted.',
  }),
  transitKey: Type.String({
    default: 'postern',
    minLength: 1,
    maxLength: 64,
    placeholder: 'NAME',
    description: 'The name of the key there, of the type aes256-gcm96.',
  }),
  transitToken: Type.Optional(secret({ description: 'The token for the transit server.' })),
  transitCaFile: Type.String({
    default: '',
    maxLength: 4096,
    placeholder: 'FILE',
    description: 'The CA of the transit server, PEM, in place of the usual ones.',
  }),
} as const;

/** The bounds of what it issues and keeps; standalone has the same. */
export const certstoreBounds = {
  certificateDays: Type.Integer({
    default: 30,
    minimum: 1,
    maximum: 397,
    placeholder: 'DAYS',
    description:
      'How long the certificates of nodes and services are valid; they are renewed after two thirds.',
  }),
  issuedMax: Type.Integer({
    default: 10_000,
    minimum: 100,
    maximum: 1_000_000,
    description: 'How many issued certificates are kept in the list; beyond it the oldest go.',
  }),
  certificatesMax: Type.Integer({
    default: 2_000,
    minimum: 1,
    maximum: 20_000,
    description: 'How many certificates operators may store.',
  }),
} as const;

const schema = Type.Object({
  ...serviceSettings(9104),
  ...platformSettings,
  keyEncryptionKey: Type.Optional(
    secret({
      description:
        'The key that private keys in the documents are encrypted under: 32 bytes as base64 (openssl rand -base64 32). ' +
        'Without it they are lost. To replace it, put a new one in the line above it, and rotate.',
    }),
  ),
  ...transitOptions,
  certificateNames: Type.Array(Type.String({ maxLength: 253, ...certificateNameForm }), {
    default: [],
    maxItems: 64,
    placeholder: 'NAME',
    description: 'Further names that server certificates may have, such as that of a Kubernetes Service.',
  }),
  certificateAddresses: Type.Array(Type.String({ minLength: 2, maxLength: 45 }), {
    default: [],
    maxItems: 64,
    placeholder: 'ADDRESS',
    description: 'Addresses that server certificates may have beside loopback ones, such as the static ones.',
  }),
  ...certstoreBounds,
});

/** Reads them. */
export const program = defineProgram({
  name: 'postern-certstore',
  description:
    'Owns certificates and private keys: the CAs of the platform, encrypted in the document database.',
  environmentPrefix: 'CERTSTORE',
  schema,
});
