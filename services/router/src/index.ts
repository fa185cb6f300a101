/** The router: owns gateways, destinations and fronts; knows which tunnels are up. */
export { routerOptions, type RouterOptions } from './config.ts';
export { createRouter } from './service.ts';
