export { createBalancer, type BalancerParts } from './balancer.ts';
export { program } from './config.ts';
export { Haproxy } from './haproxy.ts';
