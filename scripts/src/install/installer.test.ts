import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { debianPackages } from './debian.ts';
import { installerNames, onRequestNames } from './installer.ts';

const root = join(import.meta.dirname, '../../..');
const sources = ['test/*/src/**/*.ts', '{libs,services,apps}/*/src/**/*.test.ts'];

/** What has to be installed for a command that `tool` is asked for. */
function installerOf(command: string): string {
  const packages = Object.entries(debianPackages) as [string, readonly string[]][];
  return packages.find(([, commands]) => commands.includes(command))?.[0] ?? command;
}

test('what a test takes from the installed tools is installed without being asked for', () => {
  const taken = globSync(sources, { cwd: root }).flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/\btool\('([^']+)'\)/g)].map(([, name = '']) => name),
  );
  const needed = [...new Set(taken.map(installerOf))];
  assert.ok(needed.includes('chromium') && needed.includes('postgresql'), 'the tests were read');
  assert.deepEqual(
    needed.filter((name) => !installerNames.includes(name) || onRequestNames.includes(name)),
    [],
  );
});
