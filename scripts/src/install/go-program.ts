/** Programs of others that Go builds from its module proxy. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findCommand, runCommand } from './command.ts';

/** What is built: a package with its version, as which file, and more flags for the linker. */
export interface GoProgram {
  readonly name: string;
  readonly module: string;
  readonly flags?: string;
}

/** Builds it into `folder`, in a module of its own, since theirs replace modules, which `go install` refuses. */
export async function buildGoProgram(folder: string, { name, module, flags = '' }: GoProgram): Promise<void> {
  const go = findCommand('go');
  if (go === null) throw new Error(`Go, which builds ${name}, was not found`);
  const environment = { CGO_ENABLED: '0', GOFLAGS: '-mod=mod' };
  const work = join(folder, `work-${name}`);
  await mkdir(work);
  await runCommand(go, ['mod', 'init', `local/${name}`], environment, work);
  await runCommand(go, ['get', module], environment, work);
  const [path = ''] = module.split('@');
  const linker = ['-trimpath', '-ldflags', `-s -w ${flags}`];
  await runCommand(go, ['build', ...linker, '-o', join(folder, name), path], environment, work);
  await rm(work, { recursive: true });
}
