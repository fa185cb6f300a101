/**
 * A client of the platform of deploy/compose and resources that only it reaches, on the platform's own host, as
 * deploy/compose/README.md has an operator make them; and a caller of its sample through the static address.
 */
import { rmSync } from 'node:fs';
import { type Agent, get } from 'node:http';
import { join } from 'node:path';
import { patience } from './caller.ts';
import { type ComposePlatform, commandsOf, composeFolder, overridePath, run } from './compose-platform.ts';

/** Where callers and clients find the platform. */
export const staticAddress = '10.89.7.100';
/** What the sample says. */
export const hello = 'hello from the private network\n';
const secrets = join(composeFolder, 'client/secrets');

interface Made {
  readonly id: string;
  readonly front: { readonly port: number };
  readonly token: string;
}

/** The client's project, not yet started. */
export class PrivateSite {
  readonly #platform: ComposePlatform;
  readonly #gatewayId: string;
  readonly #environment: NodeJS.ProcessEnv;

  private constructor(
    platform: ComposePlatform,
    gatewayId: string,
    overrides: readonly string[],
    environment: NodeJS.ProcessEnv,
  ) {
    this.#platform = platform;
    this.#gatewayId = gatewayId;
    this.#environment = {
      ...process.env,
      ...environment,
      COMPOSE_FILE: [join(composeFolder, 'client/compose.yaml'), ...overrides.map(overridePath)].join(':'),
      COMPOSE_PROFILES: 'sample',
      POSTERN_CLIENT_NETWORK: 'postern_public',
      POSTERN_CLIENT_NETWORK_IS_OTHERS: 'true',
      POSTERN_GATEWAY: gatewayId,
    };
  }

  /** Makes a gateway with these rules, and gives the client what it needs. */
  static async make(
    platform: ComposePlatform,
    rules: readonly string[],
    options: { overrides?: readonly string[]; environment?: NodeJS.ProcessEnv } = {},
  ): Promise<PrivateSite> {
    const { id } = await platform.cli<Made>('gateways', 'create', 'office');
    const { token } = await platform.cli<Made>('tokens', 'create', id);
    for (const command of commandsOf('A client').filter((one) => one.includes('client/secrets'))) {
      await platform.shell(command.replace('pt_…', token), composeFolder);
    }
    await platform.cli('access-list', 'set', id, ...rules);
    return new PrivateSite(platform, id, options.overrides ?? [], options.environment ?? {});
  }

  /** A destination for a resource `host:port`; returns its front's port. */
  async destination(name: string, resource: string): Promise<number> {
    const made = await this.#platform.cli<Made>('destinations', 'create', this.#gatewayId, name, resource);
    return made.front.port;
  }

  compose(...args: readonly string[]): Promise<string> {
    return run('docker', ['compose', ...args], join(composeFolder, 'client'), this.#environment);
  }

  async remove(): Promise<void> {
    await this.compose('down', '--volumes');
    rmSync(secrets, { recursive: true, force: true });
  }
}

/** What the sample says, or why it says nothing; over a connection of its own, or one that the agent keeps. */
export function answer(port: number, agent: Agent | false = false): Promise<string> {
  return new Promise((resolve) => {
    const fail = (error: NodeJS.ErrnoException): void => resolve(error.code ?? error.message);
    get({ host: staticAddress, port, agent, timeout: 5_000 * patience }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(text));
      response.on('error', fail);
    })
      .on('timeout', function (this: { destroy(error: Error): void }) {
        this.destroy(new Error('nothing came'));
      })
      .on('error', fail);
  });
}
