/**
 * What a platform in a cluster finds outside of it: NATS and documents, guarded by postern-setup's secrets, and names. The
 * cluster's own names are served here too, from what the test writes into the same file: there is no other name server.
 */
import { execFile } from 'node:child_process';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { tool } from '@postern/scripts/install';
import { documentServices } from '@postern/setup';
import { CuttableProxy, type Part, startPart } from '@postern/test-cluster';
import { standIn, startGuardedDocuments } from '../guarded-documents.ts';

const setup = fileURLToPath(new URL('../../../../apps/setup/src/main.ts', import.meta.url));
const natsPort = 4_222;
const documentPort = 27_017;

/** Names of the servers outside. */
export const outsideHosts = { nats: 'nats.outside.test', documents: 'mongodb.outside.test' } as const;

/** The servers outside. */
export class Outside implements AsyncDisposable {
  /** One folder for each that may read its secrets. */
  readonly secrets: string;
  readonly #hostsFile: string;
  readonly #address: string;
  readonly #parts: Part[] = [];
  #names: Part | null = null;
  #passage: CuttableProxy | null = null;

  private constructor(folder: string, address: string, hostsFile: string) {
    this.secrets = join(folder, 'secrets');
    this.#address = address;
    this.#hostsFile = hostsFile;
  }

  /** Starts them on an address of the bridge; their names are to be in the hosts file. */
  static async start(folder: string, address: string, hostsFile: string): Promise<Outside> {
    const outside = new Outside(folder, address, hostsFile);
    try {
      await outside.#start(folder);
      return outside;
    } catch (error) {
      await outside.stop();
      throw error;
    }
  }

  /** Runs a step of postern-setup, as its image does. */
  async setUp(
    step: 'secrets' | 'documents' | 'operator',
    more: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const flags = {
      folder: this.secrets,
      'nats-hosts': outsideHosts.nats,
      'mongodb-hosts': outsideHosts.documents,
      'replica-set': standIn,
      ...more,
    };
    const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
    await promisify(execFile)(process.execPath, [setup, step, ...args]);
  }

  /** From now on the name is known, here and to the pods. */
  async addName(name: string, address: string): Promise<void> {
    await appendFile(this.#hostsFile, `${address} ${name}\n`);
    this.#names?.kill('SIGHUP');
  }

  /** Ends them. */
  async stop(): Promise<void> {
    await this.#passage?.close();
    for (const part of this.#parts.splice(0).toReversed()) await part.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #start(folder: string): Promise<void> {
    await mkdir(this.secrets);
    await this.setUp('secrets');
    this.#names = await this.#startNames(folder);
    this.#parts.push(this.#names);
    this.#parts.push(await this.#startNats(folder));
    await this.#startDocuments();
  }

  /**
   * The stand-in names its one member by the address that it listens on, and 127.0.0.1 is the only one that its certificate
   * has: it is passed on from there, and the services are told not to follow what it names.
   */
  async #startDocuments(): Promise<void> {
    this.#parts.push(await startGuardedDocuments(this.secrets, 'localhost', documentPort));
    await this.setUp('documents', { 'mongodb-hosts': 'localhost' });
    const target = { host: '127.0.0.1', port: documentPort };
    this.#passage = await CuttableProxy.listen(target, { host: this.#address, port: documentPort });
    for (const service of documentServices) {
      await appendFile(join(this.secrets, service, 'mongodb-url'), '&directConnection=true');
    }
  }

  async #startNames(folder: string): Promise<Part> {
    const lines = [`listen-address=${this.#address}`, 'bind-interfaces', 'no-resolv', 'no-hosts'].concat(
      [`addn-hosts=${this.#hostsFile}`, 'local=/local/', 'local=/test/'],
      ['user=root', 'no-daemon', 'log-facility=-', 'pid-file='],
    );
    const file = join(folder, 'dnsmasq.conf');
    await writeFile(file, `${lines.join('\n')}\n`);
    return startPart({
      name: 'dns',
      command: tool('dnsmasq'),
      args: [`--conf-file=${file}`],
      logFile: join(folder, 'dns.log'),
      ready: { host: this.#address, port: 53 },
    });
  }

  async #startNats(folder: string): Promise<Part> {
    const own = join(this.secrets, 'nats');
    const file = join(own, 'nats.conf');
    await writeFile(
      file,
      [
        `listen: "${this.#address}:${natsPort}"`,
        `tls { cert_file: "${own}/certificate.pem", key_file: "${own}/key.pem" }`,
        'include "./authorization.conf"',
        '',
      ].join('\n'),
    );
    return startPart({
      name: 'nats',
      command: tool('nats-server'),
      args: ['--config', file],
      logFile: join(folder, 'nats.log'),
      ready: { line: /Server is ready/ },
    });
  }
}
