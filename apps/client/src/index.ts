/** The client as a part of another process: tests run it beside the platform. */
export { type ClientParts, type ClientService, createClient } from './client.ts';
export { program } from './config.ts';
export type { ClientOptions, GatewayOptions } from './options.ts';
export { Hosts } from '@postern/dial';
export { proxyChooser } from './proxy-choice.ts';
