/** The settings of postern-certstore. */
import {
  defineProgram,
  logSettings,
  mongodbSettings,
  natsSettings,
  opsSettings,
  platformSettings,
  secret,
} from '@postern/config';
import { Type, type Static } from 'typebox';

const schema = Type.Object({
  ...logSettings,
  ...opsSettings(9104),
  ...natsSettings,
  ...mongodbSettings,
  ...platformSettings,
  keyEncryptionKey: secret({
    description:
      'The key that private keys in the documents are encrypted under: 32 bytes as base64 (openssl rand -base64 32). ' +
      'Without it they are lost.',
  }),
  certificateNames: Type.Array(Type.String({ minLength: 1, maxLength: 253 }), {
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
});

/** What postern-certstore is set to. */
export type CertstoreSettings = Static<typeof schema>;

/** Reads them. */
export const program = defineProgram({
  name: 'postern-certstore',
  description:
    'Owns certificates and private keys: the CAs of the platform, encrypted in the document database.',
  environmentPrefix: 'CERTSTORE',
  schema,
});
