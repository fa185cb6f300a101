/** The client as a part of another process: tests run it beside the platform. */
export { type ClientParts, type ClientService, createClient } from './client.ts';
export { type ClientOptions, type GatewayOptions, program } from './config.ts';
export { Hosts } from '@postern/dial';
export { proxyChooser } from './proxy-choice.ts';
