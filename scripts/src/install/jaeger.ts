/**
 * Jaeger, for the test that traces of a platform arrive in it: all of it in one program, built by Go, without the pages of
 * its user interface. Takes minutes, so only on request (`pnpm service:install jaeger`).
 */
import { installedFile } from './cache.ts';
import { buildGoProgram } from './go-program.ts';

/** That of deploy/compose. */
export const JAEGER_VERSION = '1.62.0';
const program = 'all-in-one-linux';

/** Jaeger's path when it is in the cache, else null. */
export function jaegerBinary(): string | null {
  return installedFile('jaeger', JAEGER_VERSION, program);
}

/** Fills `folder` so that the program is in it. */
export async function buildJaeger(folder: string): Promise<Record<string, string>> {
  const module = `github.com/jaegertracing/jaeger/cmd/all-in-one@v${JAEGER_VERSION}`;
  await buildGoProgram(folder, { name: program, module });
  return { from: 'go' };
}
