export { addressGroup } from './address-group.ts';
export { Counts } from './counts.ts';
export { decodeText } from './decode-text.ts';
export { setNewest } from './newest.ts';
export { type Full, halfOf, Shares } from './shares.ts';
