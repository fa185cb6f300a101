export { Counts } from './counts.ts';
export { type Full, halfOf, Shares } from './shares.ts';
