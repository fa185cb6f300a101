/** `postern backup` and `postern restore`. What does the work is loaded when one of them runs. */
import { Command } from 'commander';
import type { Api } from '../api.ts';

/** What the commands need of the command line. */
export interface BackupCommandParts {
  readonly api: () => Api;
  readonly printOne: (item: unknown) => void;
}

/** Both. */
export function backupCommands({ api, printOne }: BackupCommandParts): Command[] {
  const backup = new Command('backup')
    .description('write all documents of the platform to a file, as they are at one moment')
    .argument('<file>', 'where to; - for stdout, and the report goes to stderr')
    .option('--force', 'in place of a file that is there')
    .addHelpText(
      'after',
      [
        '',
        'Gateways, destinations, fronts, access lists, tokens and API keys (as hashes), certificates and CAs (private keys',
        'encrypted). Nothing stops meanwhile. A restore needs the key-encryption key too, which is in no backup: keep a copy',
        'of it elsewhere. The key that is wanted is named in the answer (keyIds).',
      ].join('\n'),
    )
    .action(async (file: string) => {
      const { takeBackup } = await import('./transfer.ts');
      const { force = false } = backup.opts<{ force?: boolean }>();
      const take = (path: string) => takeBackup(api(), path, force);
      if (file !== '-') return printOne(await take(file));
      const { throughStdout } = await import('./standard-stream.ts');
      const { file: _file, ...report } = await throughStdout(take);
      process.stderr.write(`${JSON.stringify(report)}\n`);
    });
  const restore = new Command('restore')
    .description('put what a backup has in place of what the platform has')
    .argument('<file>', 'a file that backup has written; - for stdin')
    .option('--overwrite', 'also where the platform is in use: what it has now is lost')
    .option('--check', 'only look whether the file is whole, and say what is in it')
    .addHelpText(
      'after',
      [
        '',
        'Made for a new platform with the same platform host and front ports, whose certstore has the key-encryption key of',
        'the former one. Fronts keep host and port, tokens and certificates stay good. All is checked before anything is',
        'changed, and each service changes all or nothing; broken off in its last step, it is ended by the same command.',
        'The platform has the CA of the backup afterwards: use that CA from then on. Security tokens and API keys that were',
        'taken away since the backup are good again; those that a platform in use knows of are named before (warnings).',
        'The API key that restores stays.',
      ].join('\n'),
    )
    .action(async (path: string) => {
      const { overwrite = false, check = false } = restore.opts<{ overwrite?: boolean; check?: boolean }>();
      const [{ openBackup }, { countOf, restoreBackup }] = await Promise.all([
        import('./file.ts'),
        import('./transfer.ts'),
      ]);
      const put = async (at: string): Promise<void> => {
        const file = await openBackup(at);
        try {
          const { madeAt, platformVersion } = file.header;
          const report = { file: path, madeAt, platformVersion, ...countOf(file.header) };
          if (check) return printOne({ ...report, state: 'whole' });
          const warnings = await restoreBackup(api(), file, { overwrite });
          printOne({ ...report, state: 'restored', warnings });
        } finally {
          await file.close();
        }
      };
      if (path !== '-') return put(path);
      const { throughStdin } = await import('./standard-stream.ts');
      await throughStdin(put);
    });
  return [backup, restore];
}
