export { program } from './program.ts';
export { Haproxy } from './haproxy.ts';
