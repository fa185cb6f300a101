/** What tests of every room need: a port for a server that cannot take 0, a state to wait for, and the two reasons to let time pass. */
export { passed, pause } from './pause.ts';
export { freePort, isFree } from './port.ts';
export { until } from './until.ts';
