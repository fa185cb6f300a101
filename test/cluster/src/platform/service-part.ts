/** A service of the platform as a process of the harness: `node services/<kind>/src/main.ts` with its flags. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Part } from '../process/part.ts';
import type { Place } from './layout.ts';

/** The repository's root. */
export const rootFolder = fileURLToPath(new URL('../../../..', import.meta.url));

/** What a service is started with, beside its place. */
export interface ServiceSettings {
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly logFolder: string;
  readonly stopWithinMs: number;
}

/** Its ops address. */
export function opsUrl({ address, opsPort }: Place): string {
  return `http://${address}:${opsPort}`;
}

/** The part, not yet started; it is ready when its `/readyz` says so. */
export function servicePart(
  place: Place,
  { args, environment, logFolder, stopWithinMs }: ServiceSettings,
): Part {
  const main = join(rootFolder, 'services', place.kind, 'src', 'main.ts');
  const ops = [
    '--ops-host',
    place.address,
    '--ops-port',
    String(place.worker?.opsPortGiven ?? place.opsPort),
  ];
  return new Part({
    name: place.name,
    command: process.execPath,
    args: [main, ...ops, ...args],
    environment,
    folder: rootFolder,
    logFile: join(logFolder, `${place.name}.log`),
    ready: { url: `${opsUrl(place)}/readyz` },
    stopWithinMs,
  });
}
