/**
 * What certificates have beside the usual verbs: upload and replace from files, generate a pair, change the
 * key-encryption key. A passphrase comes from a file or the environment, never from the arguments, which every user of
 * the machine can list; a generated key is written to a file that only its owner can read, and never over another.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { Command, Option } from 'commander';
import { type Static, Type } from 'typebox';
import { type Api, shaped } from './api.ts';
import { ExitCode, secretFileBytesMax } from '@postern/config';
import { certificateUploadBytesMax } from '@postern/contracts';
import { CliError } from './errors.ts';
import { parseNumber, readNamed, readNamedText } from './value.ts';

/** What the commands need of the command line. */
export interface CommandParts {
  readonly api: () => Api;
  /** Shows one object, as JSON where that was asked for. */
  readonly printOne: (item: unknown) => void;
}

interface PassphraseOptions {
  passphraseFile?: string;
  passphrase?: string;
}

interface GenerateOptions extends PassphraseOptions {
  usage: 'client' | 'server';
  subject: string;
  san?: string[];
  days?: string;
  gateway?: string;
  format?: 'zip' | 'p12';
  out: string;
}

const Rotation = Type.Object({
  state: Type.Union([Type.Literal('running'), Type.Literal('done'), Type.Literal('waiting')]),
  keyId: Type.String(),
  total: Type.Integer(),
  left: Type.Integer(),
});
const Generated = Type.Object({
  id: Type.String(),
  download: Type.Object({ base64: Type.String({ minLength: 1 }) }),
});

const filesMax = 16;
const pollMs = 500;

/** Adds them to the noun's own. */
export function addCertificateCommands(group: Command, parts: CommandParts): void {
  group.addCommand(uploadCommand(parts).copyInheritedSettings(group));
  group.addCommand(replaceCommand(parts).copyInheritedSettings(group));
  group.addCommand(generateCommand(parts).copyInheritedSettings(group));
  group.addCommand(rotateCommand(parts).copyInheritedSettings(group));
}

function uploadCommand({ api, printOne }: CommandParts): Command {
  const one = withPassphrase(new Command('upload'))
    .description('upload a certificate with its chain and key, or CAs: PEM, DER or PKCS #12, in any order')
    .argument('<name>', 'its name')
    .argument('<file...>', 'the files');
  return one.action(async (name: string, files: string[]) => {
    printOne(await api().call('POST', '/certificates', { name, ...contentsOf(one, files) }));
  });
}

function replaceCommand({ api, printOne }: CommandParts): Command {
  const one = withPassphrase(new Command('replace'))
    .description('replace the contents of a certificate: new connections take them at once')
    .argument('<certificate>', 'its ID')
    .argument('<file...>', 'the files');
  return one.action(async (id: string, files: string[]) => {
    const path = `/certificates/${encodeURIComponent(id)}`;
    printOne(await api().call('PATCH', path, contentsOf(one, files)));
  });
}

function generateCommand({ api, printOne }: CommandParts): Command {
  const one = withPassphrase(new Command('generate'))
    .description('have a pair generated, and write it to a file: the only time that its key is given')
    .argument('<name>', 'its name')
    .addOption(
      new Option('--usage <USAGE>', 'what it is for').choices(['client', 'server']).makeOptionMandatory(),
    )
    .requiredOption('--subject <SUBJECT>', 'a common name, or "CN=…, O=…"')
    .option('--san <NAME...>', 'DNS names and addresses')
    .option('--days <N>', 'how long it is valid; 365 unless given')
    .option('--gateway <ID>', 'the gateway whose CA signs a client pair')
    .addOption(new Option('--format <FORMAT>', 'of the file; zip unless given').choices(['zip', 'p12']))
    .requiredOption('--out <FILE>', 'where it is written; it must not be there yet');
  return one.action(async (name: string) => {
    const { usage, subject, san, days, gateway, format, out } = one.opts<GenerateOptions>();
    const body = {
      name,
      usage,
      subject,
      ...(san === undefined ? {} : { san }),
      ...(days === undefined ? {} : { days: parseNumber(days) }),
      ...(gateway === undefined ? {} : { gatewayId: gateway }),
      ...(format === undefined ? {} : { format }),
      ...passphraseOf(one),
    };
    // Before anything is generated whose only copy could not be kept.
    writeNew(out, '');
    const { download, ...certificate } = await api()
      .call('POST', '/certificates/generate', body)
      .then((answer) => shaped(Generated, answer))
      .catch((error: unknown) => {
        rmSync(out, { force: true });
        throw error;
      });
    writePair(out, certificate.id, Buffer.from(download.base64, 'base64'));
    printOne({ ...certificate, file: out });
  });
}

function rotateCommand({ api, printOne }: CommandParts): Command {
  const one = new Command('rotate-key')
    .description(
      'encrypt every stored key under the newest key-encryption key; ends when all are, with 69 where a key is missing',
    )
    .option('--no-wait', 'end at once; the work goes on')
    .option('--show', 'start nothing, show how far it is');
  return one.action(async () => {
    const { wait: waits, show } = one.opts<{ wait: boolean; show?: boolean }>();
    let rotation = shaped(Rotation, await api().call(show === true ? 'GET' : 'POST', '/key-rotation'));
    if (show !== true && rotation.state === 'done') {
      // Not what is expected after a new key was put where certstore does not look, or in a variable that it read at its start.
      process.stderr.write(
        `nothing was to be done: all is under the newest key, ${rotation.keyId}, already\n`,
      );
    }
    if (!waits || show === true) return printOne(rotation);
    while (rotation.state === 'running') {
      process.stderr.write(`${rotation.total - rotation.left} of ${rotation.total}\n`);
      await wait(pollMs);
      rotation = shaped(Rotation, await api().call('GET', '/key-rotation'));
    }
    printOne(rotation);
    process.exitCode = exitCodeOfRotation(rotation);
  });
}

/** Whoever waits for it wants to know by the exit code whether the former key can go. */
export function exitCodeOfRotation({ state }: Pick<Static<typeof Rotation>, 'state'>): number {
  return state === 'done' ? ExitCode.ok : ExitCode.unavailable;
}

function withPassphrase(one: Command): Command {
  return one
    .option('--passphrase-file <FILE>', 'a file with the passphrase')
    .addOption(
      new Option('--passphrase <TEXT>', 'refused: give POSTERN_PASSPHRASE or a file')
        .env('POSTERN_PASSPHRASE')
        .hideHelp(),
    );
}

function passphraseOf(one: Command): { passphrase?: string } {
  const { passphraseFile, passphrase } = one.opts<PassphraseOptions>();
  if (one.getOptionValueSource('passphrase') === 'cli') {
    throw new CliError(
      'CLI_ARGUMENT_INVALID',
      'a passphrase in the arguments can be seen by every user of this machine: give --passphrase-file or POSTERN_PASSPHRASE',
    );
  }
  if (passphraseFile !== undefined)
    return {
      passphrase: readNamedText(passphraseFile, secretFileBytesMax).replace(/\r?\n$/, ''),
    };
  return passphrase === undefined || passphrase === '' ? {} : { passphrase };
}

function contentsOf(one: Command, files: readonly string[]): object {
  if (files.length > filesMax)
    throw new CliError('CLI_ARGUMENT_INVALID', `there may be at most ${filesMax} files`);
  return {
    files: files.map((file) => readNamed(file, certificateUploadBytesMax).toString('base64')),
    ...passphraseOf(one),
  };
}

/** Into the file that is kept for it. What has half a pair in it helps nobody. */
function writePair(path: string, id: string, contents: Buffer): void {
  try {
    writeFileSync(path, contents);
  } catch (error) {
    rmSync(path, { force: true });
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(
      'CLI_ARGUMENT_INVALID',
      `${path} cannot be written: ${why}; nobody has the key of the pair that was generated: postern certificates delete ${id}, and generate another`,
      { cause: error },
    );
  }
}

function writeNew(path: string, contents: string): void {
  try {
    writeFileSync(path, contents, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw new CliError('CLI_ARGUMENT_INVALID', error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
}
