/** The settings of the router: what fronts are called, which ports they may have, and every bound of what it owns. */
import { defineProgram, hostFormOrEmpty, platformSettings, serviceSettings } from '@postern/config';
import { Type, type Static } from 'typebox';

const port = { minimum: 1, maximum: 65535, placeholder: 'PORT' };

/** What `createRouter` needs to know; standalone gives it by itself, `main.ts` reads it from the process. */
export const routerOptions = {
  ...platformSettings,
  frontHost: Type.String({
    maxLength: 253,
    ...hostFormOrEmpty,
    default: '',
    placeholder: 'HOST',
    description:
      'The host of plain TCP fronts that are given none; <name>-<gateway>.<platform host> when empty.',
  }),
  frontPortFirst: Type.Integer({
    ...port,
    default: 15000,
    description: 'The first port that is allotted to fronts.',
  }),
  frontPortLast: Type.Integer({
    ...port,
    default: 16999,
    notBelow: 'frontPortFirst',
    description: 'The last port that is allotted to fronts.',
  }),
  reservedPorts: Type.Array(Type.Integer({ minimum: 1, maximum: 65535 }), {
    maxItems: 64,
    default: [80, 443, 7443, 9000, 9001, 9100, 9101],
    placeholder: 'PORT',
    description:
      'Ports of the platform itself, which no front may hold alone: those of callers, the admin API, tunnels, links, and what is for operators.',
  }),
  sharedPort: Type.Integer({
    ...port,
    default: 443,
    description:
      'The platform’s own port as callers see it. TLS fronts share it, told apart by the server name; they get it unless they ask for another.',
  }),
  sharedHttpPort: Type.Integer({
    ...port,
    default: 80,
    description:
      'The platform’s port for plain HTTP as callers see it. HTTP fronts without TLS that ask for it share it, told apart by Host.',
  }),
  portRestDays: Type.Integer({
    minimum: 0,
    maximum: 3650,
    default: 30,
    description: 'How many days a freed port rests before another gateway may have it.',
  }),
  gatewaysMax: Type.Integer({
    minimum: 1,
    maximum: 1_000_000,
    default: 10_000,
    description: 'Gateways of the platform.',
  }),
  destinationsPerGatewayMax: Type.Integer({
    minimum: 1,
    maximum: 2000,
    default: 500,
    description: 'Destinations of one gateway.',
  }),
} as const;

const optionsSchema = Type.Object(routerOptions);
/** The settings that shape a router wherever it runs. */
export type RouterOptions = Static<typeof optionsSchema>;

const schema = Type.Object({
  ...serviceSettings(9102),
  ...routerOptions,
});

/** The program `postern-router`. */
export const program = defineProgram({
  name: 'postern-router',
  description: 'Owns gateways, destinations and fronts; knows which tunnels are up.',
  environmentPrefix: 'ROUTER',
  schema,
});
