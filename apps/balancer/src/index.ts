export { program } from './config.ts';
export { Haproxy } from './haproxy.ts';
