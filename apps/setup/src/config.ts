/** The settings of the set-up: which of its steps, where secrets go, and who is to be known by which name. */
import { defineProgram } from '@postern/config';
import { Type, type Static } from 'typebox';

const hosts = (what: string, value: string[]) =>
  Type.Array(Type.String({ pattern: '^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$' }), {
    minItems: 1,
    maxItems: 16,
    default: value,
    placeholder: 'HOST',
    description: `The hosts of the ${what} servers.`,
  });
const uid = (value: number, whose: string) =>
  Type.Integer({
    minimum: 0,
    maximum: 4_294_967_294,
    default: value,
    description: `The user ID of ${whose}.`,
  });

const schema = Type.Object({
  step: Type.Union(
    [
      Type.Literal('secrets'),
      Type.Literal('documents'),
      Type.Literal('operator'),
      Type.Literal('key'),
      Type.Literal('export-key'),
      Type.Literal('import-key'),
    ],
    {
      argument: '<step>',
      description:
        'What to do: secrets makes files, before any server starts; documents makes the replica set and its users, once its servers run; operator writes the file that the command line takes, once certstore runs; key prints the first API key; export-key prints the key-encryption key, to be kept apart from backups, and import-key takes that of a former platform from stdin, before anything else.',
    },
  ),
  folder: Type.String({
    minLength: 1,
    default: '/secrets',
    placeholder: 'FOLDER',
    description: 'Where the secrets go: one folder for each that may read them.',
  }),
  adminUrl: Type.String({
    pattern: '^https://',
    default: 'https://admin:7443',
    placeholder: 'URL',
    description: 'Where operators find the admin API and the dashboard.',
  }),
  nodes: Type.Array(Type.String({ pattern: '^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$' }), {
    maxItems: 1024,
    default: [],
    placeholder: 'NAME',
    description:
      'The names of the nodes, each to have a seed of its own in nodes/NAME; workers are nodes with names of their own. Empty: all share the seed in edge. Where one is there already it stays good until it is removed.',
  }),
  natsHosts: hosts('NATS', ['nats-1', 'nats-2', 'nats-3']),
  mongodbHosts: hosts('MongoDB', ['mongodb-1', 'mongodb-2', 'mongodb-3']),
  mongodbPort: Type.Integer({ minimum: 1, maximum: 65535, default: 27017, description: 'Their port.' }),
  mongodbDatabase: Type.String({
    pattern: '^[a-z][a-z0-9_]{0,27}$',
    default: 'postern',
    placeholder: 'NAME',
    description:
      'The database that holds the users, and what the names of the services’ own begin with: postern_router, postern_acl, postern_certstore, postern_admin.',
  }),
  replicaSet: Type.String({
    pattern: '^[A-Za-z0-9_-]{1,32}$',
    default: 'postern',
    placeholder: 'NAME',
    description: 'The name of the replica set.',
  }),
  serviceUid: uid(1000, 'the services'),
  natsUid: uid(0, 'the NATS servers'),
  mongodbUid: uid(999, 'the MongoDB servers'),
  withinMs: Type.Integer({
    minimum: 1_000,
    maximum: 3_600_000,
    default: 120_000,
    description: 'How long the servers may take to answer.',
  }),
});

/** What the set-up was told. */
export type SetupSettings = Static<typeof schema>;

/** The program `postern-setup`. */
export const program = defineProgram({
  name: 'postern-setup',
  description: 'Makes what a platform needs before its first start; what is there already stays as it is.',
  environmentPrefix: 'SETUP',
  schema,
});
