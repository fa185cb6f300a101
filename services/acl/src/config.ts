/** The settings of acl: the first API key, and every bound of what it owns. */
import { defineProgram, secret, serviceSettings } from '@postern/config';
import { apiKeyCharactersMax } from '@postern/contracts';
import { Type, type Static } from 'typebox';

/** What `createAcl` needs to know; standalone gives it by itself, `main.ts` reads it from the process. */
export const aclOptions = {
  firstApiKey: Type.Optional(
    secret({
      minLength: 20,
      maxLength: apiKeyCharactersMax,
      // As admin takes it from a header.
      pattern: '^[\\x21-\\x7e]*$',
      form: 'printable ASCII without blanks, as HTTP clients can send it,',
      description:
        'An API key that is taken as an owner’s for as long as it is set; the way in while there is no other.',
    }),
  ),
  tokensPerGatewayMax: Type.Integer({
    minimum: 1,
    maximum: 1000,
    default: 100,
    description: 'Security tokens of one gateway that have not been revoked.',
  }),
  apiKeysMax: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 1000,
    description: 'API keys of the platform.',
  }),
  forgetAfterDays: Type.Integer({
    minimum: 1,
    maximum: 3650,
    default: 30,
    description:
      'How many days expired and revoked tokens are remembered, so that a refusal can say what they are.',
  }),
  ticketKeyHours: Type.Integer({
    minimum: 1,
    maximum: 720,
    default: 24,
    description: 'How many hours a key signs tickets before a new one takes its place.',
  }),
} as const;

const optionsSchema = Type.Object(aclOptions);
/** The settings that shape an acl wherever it runs. */
export type AclOptions = Static<typeof optionsSchema>;

const schema = Type.Object({
  ...serviceSettings(9103),
  ...aclOptions,
});

/** The program `postern-acl`. */
export const program = defineProgram({
  name: 'postern-acl',
  description: 'Owns access lists, source rules, security tokens and API keys; signs session tickets.',
  environmentPrefix: 'ACL',
  schema,
});
