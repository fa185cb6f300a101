/** What is checked: the models as the code is, within bounds that a CI machine has the time for, and each known mistake. */
import type { Run } from './check.ts';

/** Every state must be right. */
export const rightRuns: readonly Run[] = [
  { model: 'resume', bounds: { BYTES: 2, CUTS: 1, MOVES: 0, TICKS: 0 } },
  { model: 'resume', bounds: { BYTES: 1, CUTS: 0, MOVES: 1, TICKS: 1 } },
  { model: 'presence', bounds: { CHANGES: 3, BOOTS: 1, LOSSES: 1, SILENCES: 1 } },
  { model: 'presence', bounds: { CHANGES: 2, BOOTS: 1, LOSSES: 0, SILENCES: 0, FORGED: 1 } },
  { model: 'windows', bounds: { BYTES: 5, RESUMES: 0 } },
  { model: 'windows', bounds: { BYTES: 3, RESUMES: 1 } },
];

/** The same with more trouble, for who has minutes and gigabytes: `pnpm model --deep`. */
export const deepRuns: readonly Run[] = [
  { model: 'resume', bounds: { BYTES: 1, CUTS: 1, MOVES: 1, TICKS: 0 } },
  { model: 'resume', bounds: { BYTES: 1, CUTS: 1, MOVES: 1, TICKS: 1 } },
  { model: 'resume', bounds: { BYTES: 1, CUTS: 2, MOVES: 0, TICKS: 0 } },
  { model: 'resume', bounds: { BYTES: 2, CUTS: 1, MOVES: 1, TICKS: 0 } },
  { model: 'presence', bounds: { CHANGES: 4, BOOTS: 1, LOSSES: 2, SILENCES: 1, BEATS: 2 } },
  { model: 'presence', bounds: { CHANGES: 3, BOOTS: 1, LOSSES: 1, SILENCES: 0, FORGED: 1 } },
  { model: 'windows', bounds: { BYTES: 4, RESUMES: 1 } },
];

const oneCut = { BYTES: 2, CUTS: 1, MOVES: 0, TICKS: 0 };
const someTrouble = { CHANGES: 3, BOOTS: 1, LOSSES: 1, SILENCES: 1 };
const oneForged = { CHANGES: 2, BOOTS: 0, LOSSES: 0, SILENCES: 0, FORGED: 1 };
const oneResume = { BYTES: 3, RESUMES: 1 };

/** Each makes one mistake, named for what is done wrong; the checker must find it. */
export const brokenRuns: readonly (Run & { readonly broken: string; readonly mistake: string })[] = [
  { model: 'resume', bounds: oneCut, broken: 'REWIND', mistake: 'sends on from where it was after RESUMED' },
  { model: 'resume', bounds: oneCut, broken: 'TIE', mistake: 'nobody gives way to an equal attempt' },
  { model: 'resume', bounds: oneCut, broken: 'LATE', mistake: 'takes DATA of a path that was left' },
  { model: 'resume', bounds: oneCut, broken: 'TOMBSTONE', mistake: 'forgets a stream that has ended' },
  { model: 'presence', bounds: someTrouble, broken: 'GAP', mistake: 'applies an announcement beyond a gap' },
  { model: 'presence', bounds: someTrouble, broken: 'BOOT', mistake: 'believes any boot that speaks' },
  { model: 'presence', bounds: someTrouble, broken: 'DEAF', mistake: 'asks for nothing at a beat' },
  { model: 'presence', bounds: someTrouble, broken: 'FORGET', mistake: 'does not try a silent node' },
  { model: 'presence', bounds: oneForged, broken: 'TRUST', mistake: 'believes a goodbye on the bus' },
  {
    model: 'windows',
    bounds: oneResume,
    broken: 'UNLOWERED',
    mistake: 'passes a limit on as a relay gets it',
  },
  {
    model: 'windows',
    bounds: oneResume,
    broken: 'ANEW',
    mistake: 'goes by the limit of a path that was left',
  },
  {
    model: 'windows',
    bounds: oneResume,
    broken: 'TWICE',
    mistake: 'gives a budget back what it has promised',
  },
  { model: 'windows', bounds: oneResume, broken: 'LAZY', mistake: 'acknowledges at half a window only' },
];
