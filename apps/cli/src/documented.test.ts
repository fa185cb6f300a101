// What the documents say to type is what there is to be typed.

import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Command } from 'commander';
import { command } from './command.ts';

const root = join(import.meta.dirname, '../../..');
/** As it is typed in the tree, installed, and in deploy/compose. */
const program = /(?:pnpm (?:--silent )?)?postern|docker compose run --rm cli/;

interface Named {
  readonly at: string;
  readonly words: string[];
}

test('each command line in the documents is one that postern takes', () => {
  const typed = linesOf(new RegExp(`^ {4,}(?:${program.source}) ([a-z-]+ [^─]+)$`));
  assert(typed.length > 20);
  for (const { at, words } of typed) assert.equal(faultOf(words), null, `${at}: ${words.join(' ')}`);
});

test('each command that the documents name is there', () => {
  const named = linesOf(new RegExp(`\`(?:${program.source}) ((?:[a-z-]+ ?)+)`, 'g'));
  assert(named.length > 20);
  for (const { at, words } of named) {
    const [one, rest] = find(words);
    const isThere = one !== command && (one.commands.length === 0 || !/^[a-z]/.test(rest[0] ?? ''));
    assert(isThere, `${at}: ${words.join(' ')}`);
  }
});

function linesOf(pattern: RegExp): Named[] {
  const pages = globSync('{README.md,docs/**/*.md,deploy/**/*.md}', { cwd: root });
  return pages
    .filter((page) => page !== 'docs/PROTOCOL.md')
    .flatMap((page) => {
      const text = readFileSync(join(root, page), 'utf8').replaceAll(/\\\n\s*/g, ' ');
      return text.split('\n').flatMap((line, index) => {
        const found = [...line.matchAll(new RegExp(pattern, 'g'))];
        return found.map(([, given = '']) => ({ at: `${page}:${index + 1}`, words: wordsOf(given) }));
      });
    });
}

/** As a shell parts them, up to a comment or redirection. */
function wordsOf(text: string): string[] {
  const words = text.match(/(?:'[^']*'|"[^"]*"|\$\([^)]*\)|[^\s'"])+/g) ?? [];
  const end = words.findIndex((word) => /^(?:#|[<>|])/.test(word));
  return (end === -1 ? words : words.slice(0, end)).map((word) => word.replaceAll(/^['"]|['"]$/g, ''));
}

function find(words: readonly string[], from: Command = command): [Command, readonly string[]] {
  const next = from.commands.find((one) => one.name() === words[0]);
  return next === undefined ? [from, words] : find(words.slice(1), next);
}

function faultOf(words: readonly string[]): string | null {
  const [one, rest] = find(words);
  if (one === command || one.commands.length > 0) return `there is no command ${rest[0]}`;
  const flags = [...command.options, ...one.options];
  let given = 0;
  for (let at = 0; at < rest.length; at += 1) {
    const word = rest[at] ?? '';
    if (!word.startsWith('-')) given += 1;
    else {
      const flag = flags.find(({ long, short }) => word === long || word === short);
      if (flag === undefined) return `there is no option ${word}`;
      if (flag.required) at += 1;
    }
  }
  const wanted = one.registeredArguments;
  const isTooMany = given > wanted.length && wanted.at(-1)?.variadic !== true;
  const isTooFew = given < wanted.filter(({ required }) => required).length;
  return isTooMany || isTooFew ? `it takes ${wanted.length} arguments, not ${given}` : null;
}
