/** The router: owns gateways, destinations and fronts; knows which tunnels are up. */
export { program as routerProgram, routerOptions, type RouterOptions } from './config.ts';
export { createRouter, type RouterParts } from './service.ts';
