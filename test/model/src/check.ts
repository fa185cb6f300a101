/**
 * Has spin look at every state that a model can come to. spin writes a C program for the model, the compiler makes it, and
 * that program walks the states; it stops at the first error with what was violated and the steps that led there.
 */
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand, tool } from '@postern/scripts/install';

/** A model with the bounds of what happens to it, and perhaps a mistake. */
export interface Run {
  readonly model: 'resume' | 'presence' | 'windows';
  /** Macros: `{ CUTS: 2 }`. */
  readonly bounds: Readonly<Record<string, number>>;
  /** The mistake to make, `TIE` for `BROKEN_TIE`. */
  readonly broken?: string;
}

/** What came of it. */
export interface Finding {
  readonly states: number;
  /** The assert that does not hold or the end that is none; null where every state is right. */
  readonly error: string | null;
  /** The steps that lead to it, as spin prints them. */
  readonly steps: string;
  readonly seconds: number;
}

const depthMax = 1_000_000;
const memoryMegabytesMax = 6_000;
const stepsCharactersMax = 6_000;

/**
 * Rejects when spin or the compiler cannot be run, or the bounds of the search are too small to be sure. A search is compiled
 * well only where it is `long`: of seconds, that takes more than it gains.
 */
export async function check({ model, bounds, broken }: Run, long = false): Promise<Finding> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-model-'));
  const startedAt = performance.now();
  try {
    const file = join(folder, `${model}.pml`);
    await copyFile(join(import.meta.dirname, `${model}.pml`), file);
    const macros = Object.entries(bounds).map(([name, value]) => `-D${name}=${value}`);
    if (broken !== undefined) macros.push(`-DBROKEN_${broken}`);
    const spin = (...args: string[]) => runCommand(tool('spin'), args, {}, folder);
    await spin('-a', ...macros, file);
    const flags = [long ? '-O2' : '-O0', '-w', '-DSAFETY', '-DCOLLAPSE', `-DMEMLIM=${memoryMegabytesMax}`];
    await runCommand(tool('gcc'), [...flags, '-o', 'pan', 'pan.c'], {}, folder);
    const said = await runCommand(join(folder, 'pan'), [`-m${depthMax}`, '-n'], {}, folder);
    const error = /^pan:1: (.+?)(?: \(at depth \d+\))?$/m.exec(said)?.[1] ?? null;
    const states = Number(/^\s*([\d.e+]+) states, stored/m.exec(said)?.[1] ?? 0);
    if (error === null && !isWhole(said)) throw new Error(`the search of ${model} was not whole:\n${said}`);
    const steps = error === null ? '' : (await spin('-t', '-p', ...macros, file)).slice(-stepsCharactersMax);
    return { states, error, steps, seconds: (performance.now() - startedAt) / 1_000 };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function isWhole(said: string): boolean {
  return /errors: 0/.test(said) && !/Search not completed|max search depth too small/.test(said);
}
