import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '@postern/config';
import { program } from './config.ts';

const environment = {
  POSTERN_NATS_URL: 'nats://127.0.0.1:4222',
  POSTERN_MONGODB_URL: 'mongodb://127.0.0.1/?directConnection=true',
};

function start(firstApiKey: string): void {
  program.resolve([], { ...environment, POSTERN_ACL_FIRST_API_KEY: firstApiKey });
}

test('a first API key that no HTTP client could send is refused at the start', () => {
  start('a-first-key-of-enough-characters');
  for (const key of [
    'a first key of enough characters',
    'a-first-key-of-enough-characters ',
    'a-first-key\nof-enough-characters',
    'ein-schlüssel-mit-genug-zeichen',
    'a-first-key\u0000of-enough-characters',
  ]) {
    assert.throws(
      () => start(key),
      (error) =>
        error instanceof ConfigError &&
        error.exitCode === 78 &&
        /POSTERN_ACL_FIRST_API_KEY must be text of printable ASCII without blanks/.test(error.message) &&
        !error.message.includes(key.slice(0, 11)),
      JSON.stringify(key),
    );
  }
});
