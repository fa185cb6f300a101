/** The settings of the admin API: where it is served, and the bounds of what it keeps. */
import { certificateNameForm, defineProgram, platformSettings, serviceSettings } from '@postern/config';
import { Type, type Static } from 'typebox';

/** What `createAdmin` needs to know; standalone gives it by itself, `main.ts` reads it from the process. */
export const adminOptions = {
  ...platformSettings,
  listenHost: Type.String({
    minLength: 1,
    default: '127.0.0.1',
    placeholder: 'HOST',
    description: 'The address that the API is served on.',
  }),
  port: Type.Integer({
    minimum: 0,
    maximum: 65535,
    default: 7443,
    placeholder: 'PORT',
    description: 'The port that the API is served on; 0 takes a free one.',
  }),
  certificateNames: Type.Array(Type.String({ maxLength: 253, ...certificateNameForm }), {
    maxItems: 32,
    default: [],
    placeholder: 'NAME',
    description:
      'Further names and addresses that the certificate is to be good for; certstore must allow them.',
  }),
  apiKeyCacheMs: Type.Integer({
    minimum: 0,
    maximum: 60_000,
    default: 5_000,
    description: 'How long what acl said of an API key is remembered, at most.',
  }),
  apiKeysCachedMax: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 1_000,
    description: 'Of how many API keys that is remembered; the oldest makes room.',
  }),
  idempotencyHours: Type.Integer({
    minimum: 1,
    maximum: 168,
    default: 24,
    description: 'How long the answer to a POST with an Idempotency-Key is kept.',
  }),
  idempotencyKeysMax: Type.Integer({
    minimum: 1,
    maximum: 1_000_000,
    default: 10_000,
    description: 'How many such answers are kept; beyond it requests with a new key are refused.',
  }),
} as const;

const optionsSchema = Type.Object(adminOptions);
/** The settings that shape an admin API wherever it runs. */
export type AdminOptions = Static<typeof optionsSchema>;

const schema = Type.Object({
  ...serviceSettings(9105),
  ...adminOptions,
});

/** The program `postern-admin`. */
export const program = defineProgram({
  name: 'postern-admin',
  description: 'The admin API.',
  environmentPrefix: 'ADMIN',
  schema,
});
