/**
 * h2spec, the conformance test of HTTP/2: one static binary, built by Go. What it shows is shown by no other tool here, but
 * a machine without Go can do without: its test is skipped by name there.
 */
import { installedFile } from './cache.ts';
import { findCommand, runCommand } from './command.ts';

/** The last version that Go takes as a module; the cases of later ones are the same. */
export const H2SPEC_VERSION = '2.2.1';
const module = `github.com/summerwind/h2spec/cmd/h2spec@v${H2SPEC_VERSION}+incompatible`;

/** The program's path when it is in the cache, else null. */
export function h2specBinary(): string | null {
  return installedFile('h2spec', H2SPEC_VERSION, 'h2spec');
}

/** Fills `folder` so that `h2spec` is in it. */
export async function buildH2spec(folder: string): Promise<Record<string, string>> {
  const go = findCommand('go');
  if (go === null) throw new Error('Go, which builds h2spec, was not found');
  await runCommand(go, ['install', '-trimpath', module], { CGO_ENABLED: '0', GOBIN: folder });
  return { from: 'go' };
}
