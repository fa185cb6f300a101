/**
 * What asks whether the platform and its ends answer, and ends with 69 where one does not: `postern health`, and below
 * their nouns `destinations test` and `clients ping`.
 */
import { ExitCode } from '@postern/config';
import { Command } from 'commander';
import { Type } from 'typebox';
import { type Api, shaped } from './api.ts';
import { fieldsOf, tableOf } from './output.ts';
import { plainText } from './plain-text.ts';

/** What the commands need of the command line. */
export interface CheckParts {
  readonly api: () => Api;
  /** Shows the answer, as JSON where that was asked for, else the text. */
  readonly print: (value: unknown, text: string) => void;
}

const Steps = { steps: Type.Array(Type.Unknown()), error: Type.Union([Type.String(), Type.Null()]) };
const ShownTest = Type.Object({
  ok: Type.Boolean(),
  clients: Type.Array(
    Type.Object({ clientId: Type.String(), name: Type.String(), node: Type.String(), ...Steps }),
  ),
  // Of a cloud destination.
  nodes: Type.Array(Type.Object({ node: Type.String(), ...Steps })),
});
const ShownDestination = Type.Object({ enabled: Type.Boolean() });
const ShownPing = Type.Object({ tunnels: Type.Array(Type.Unknown()) });
const ShownHealth = Type.Object({
  status: Type.String(),
  parts: Type.Array(Type.Unknown()),
  warnings: Type.Optional(Type.Array(Type.String())),
});

/** `destinations test`; `tell` gets what is to be known beside the answer. */
export function testCommand({ api, print, tell }: CheckParts & { tell: (line: string) => void }): Command {
  const one = new Command('test')
    .description(
      'have the clients dial the resource now, or the nodes a cloud one, step by step; ends with 69 where one fails',
    )
    .argument('<gateway>', "the gateway's ID")
    .argument('<destination>', 'its ID')
    .option('--client <CLIENT>', 'by this client only');
  return one.action(async (gateway: string, destination: string) => {
    const { client } = one.opts<{ client?: string }>();
    const query = client === undefined ? '' : `?client=${encodeURIComponent(client)}`;
    const path = `/gateways/${encodeURIComponent(gateway)}/destinations/${encodeURIComponent(destination)}`;
    const platform = api();
    const answer = shaped(ShownTest, await platform.call('POST', `${path}/test${query}`));
    const { enabled } = shaped(ShownDestination, await platform.call('GET', path));
    const byClients = answer.clients.map(({ clientId, name, node, ...test }) =>
      textOfTest(`client ${name} (${clientId}), by ${node}`, test),
    );
    const byNodes = answer.nodes.map(({ node, ...test }) => textOfTest(`node ${node}`, test));
    print(answer, [...byClients, ...byNodes].join('\n\n'));
    if (!enabled) {
      const remedy = `postern destinations update ${plainText(gateway)} ${plainText(destination)} --enable`;
      tell(`the destination is disabled: callers are refused whatever this found, until ${remedy}`);
    }
    if (!answer.ok) process.exitCode = ExitCode.unavailable;
  });
}

function textOfTest(heading: string, { steps, error }: { steps: unknown[]; error: string | null }): string {
  if (error !== null) return fieldsOf({ [heading]: error });
  const columns = { step: 'name', ok: 'ok', ms: 'ms', what: 'text' };
  return `${plainText(heading)}\n${tableOf(steps, columns)}`;
}

/** `clients ping`. */
export function pingCommand({ api, print }: CheckParts): Command {
  return new Command('ping')
    .description('measure the way to a client over each of its tunnels')
    .argument('<gateway>', "the gateway's ID")
    .argument('<client>', 'its ID')
    .action(async (gateway: string, client: string) => {
      const path = `/gateways/${encodeURIComponent(gateway)}/clients/${encodeURIComponent(client)}/ping`;
      const answer = shaped(ShownPing, await api().call('POST', path));
      print(answer, tableOf(answer.tunnels, { tunnel: 'id', node: 'node', ms: 'ms' }));
    });
}

/** `health`. */
export function healthCommand({ api, print }: CheckParts): Command {
  return new Command('health')
    .description(
      'whether every part answers and a node is ready; ends with 69 where that is not so, and warns of other nodes that are not',
    )
    .action(async () => {
      const health = shaped(ShownHealth, await api().call('GET', '/health'));
      const parts = tableOf(health.parts, { part: 'name', ok: 'ok', code: 'code' });
      const { parts: _parts, warnings = [], ...rest } = health;
      const warned = warnings.map((warning) => `\nWarning: ${plainText(warning)}`).join('');
      print(health, `${fieldsOf(rest)}\n\n${parts}${warned === '' ? '' : `\n${warned}`}`);
      if (health.status !== 'ok') process.exitCode = ExitCode.unavailable;
    });
}
