/** The program `postern-setup`: one of its steps, then it ends. */
import { readFileSync } from 'node:fs';
import { program } from './config.ts';
import { setUpDocuments } from './documents.ts';
import { type SetupCode, SetupError } from './errors.ts';
import { keyEncryptionKey } from './key-encryption-key.ts';
import { readFirstKey, writeOperatorFiles } from './operator.ts';
import { makeSecrets } from './secrets.ts';

const settings = program.parse();
const exitCodes: Readonly<Record<SetupCode, number>> = {
  SETUP_FOLDER_UNUSABLE: 70,
  SETUP_KEY_REFUSED: 64,
  SETUP_SERVER_UNREACHABLE: 69,
  SETUP_SECRETS_MISSING: 70,
};
const say = (words: string): void => void process.stdout.write(`${words}\n`);

try {
  await perform();
} catch (error) {
  const words = error instanceof SetupError ? `${error.code}: ${error.message}` : String(error);
  process.stderr.write(`postern-setup: ${words}\n`);
  if (error instanceof Error && error.cause !== undefined)
    process.stderr.write(`  ${error.cause instanceof Error ? error.cause.message : 'unknown cause'}\n`);
  process.exitCode = error instanceof SetupError ? exitCodes[error.code] : 70;
}

async function perform(): Promise<void> {
  switch (settings.step) {
    case 'secrets':
      say(`the secrets are in ${settings.folder}; the first API key is in ${await makeSecrets(settings)}`);
      return;
    case 'documents':
      await setUpDocuments(settings, say);
      return;
    case 'operator':
      say(await writeOperatorFiles(settings));
      return;
    case 'key':
      say(readFirstKey(settings));
      return;
    case 'export-key':
      process.stdout.write(keyEncryptionKey(settings).read());
      return;
    case 'import-key':
      keyEncryptionKey(settings).import(readFileSync(0, 'utf8'));
  }
}
