/** `postern access-list` and `postern explain`: what may be reached through a gateway, and which rule decides. */
import { type AccessRule, aclFileBytesMax, normalizeRules } from '@postern/access';
import { Command } from 'commander';
import { Type } from 'typebox';
import { type Api, shaped } from './api.ts';
import { CliError } from './errors.ts';
import { tableOf } from './output.ts';
import { parseAddedRules, parseRules, parseTarget, readNamedText } from './value.ts';

/** What the commands need of the command line. */
export interface AccessListParts {
  /** Whose settings they have. */
  readonly parent: Command;
  readonly api: () => Api;
  readonly print: (value: unknown, text: string) => void;
  readonly printOne: (item: unknown) => void;
}

const ShownRule = Type.Object({
  action: Type.Union([Type.Literal('allow'), Type.Literal('deny')]),
  host: Type.String(),
  port: Type.String(),
  path: Type.Optional(Type.String()),
});
const ShownAccessList = Type.Object({ revision: Type.Integer(), rules: Type.Array(ShownRule) });

/** Both. */
export function accessListCommands({ parent, api, print, printOne }: AccessListParts): Command[] {
  const printRules = (list: unknown): void => {
    const { rules } = shaped(ShownAccessList, list);
    const columns = {
      action: 'action',
      host: 'host',
      port: 'port',
      path: 'path',
      since: 'createdAt',
      by: 'createdBy.name',
    };
    print(list, rules.length === 0 ? 'no rules: everything is denied' : tableOf(rules, columns));
  };
  const group = new Command('access-list')
    .copyInheritedSettings(parent)
    .description('what may be reached through a gateway; the rest is denied');
  group
    .command('show')
    .description(
      'its rules, as they were given, since when and by whose API key; whatever their order, the most specific one decides',
    )
    .argument('<gateway>', "the gateway's ID")
    .action(async (gateway: string) => printRules(await api().call('GET', rulesPath(gateway))));
  const set = group
    .command('set')
    .description("replace its rules: 'allow 10.0.0.5:5432', 'deny 10.0.0.9:', 'allow *.corp:8000-8100'")
    .argument('<gateway>', "the gateway's ID")
    .argument('[rule...]', "the rules; 'no acl' for none, which denies everything")
    .option('--file <FILE>', 'an access-list file with the rules')
    .action(async (gateway: string, given: string[]) => {
      const { file } = set.opts<{ file?: string }>();
      demandRules(file, given);
      const rules = parseRules([
        ...(file === undefined ? [] : [readNamedText(file, aclFileBytesMax)]),
        ...given,
      ]);
      printRules(await api().call('PUT', rulesPath(gateway), { rules }));
    });
  group
    .command('add')
    .description('add rules to those that there are; one that is there stays as it is')
    .argument('<gateway>', "the gateway's ID")
    .argument('<rule...>', 'the rules')
    .action(async (gateway: string, given: string[]) =>
      printRules(await addRules(api(), rulesPath(gateway), parseAddedRules(given))),
    );
  const explain = new Command('explain')
    .description('which rule decides on a resource, at which end, and who put it there when')
    .argument('<gateway>', "the gateway's ID")
    .argument('<host:port[/path]>', 'the resource')
    .action(async (gateway: string, target: string) =>
      printOne(await api().call('POST', `${rulesPath(gateway)}/explain`, parseTarget(target))),
    );
  return [group, explain];
}

/**
 * Adds rules to those that were read, and to no others: what somebody else added meanwhile is refused as stale, not lost.
 * One that is there is not added again; where all are, nothing is changed.
 */
export async function addRules(api: Api, path: string, given: readonly AccessRule[]): Promise<unknown> {
  const list = await api.call('GET', path);
  const { rules, revision } = shaped(ShownAccessList, list);
  const known = new Set(rules.map(keyOf));
  const added = given.filter((rule) => {
    const key = keyOf(rule);
    return !known.has(key) && known.add(key);
  });
  return added.length === 0 ? list : api.call('PUT', path, { rules: [...rules, ...added] }, revision);
}

/** What a rule says, in the one form in which rules are kept. */
function keyOf(given: AccessRule): string {
  const [rule = given] = normalizeRules([given]);
  return JSON.stringify([rule.action, rule.host, rule.port, rule.path]);
}

/** A variable that is empty by mistake must not end all that runs through the gateway. */
function demandRules(file: string | undefined, given: readonly string[]): void {
  if (file !== undefined || given.some((rule) => rule.trim() !== '')) return;
  throw new CliError('CLI_ARGUMENT_INVALID', "no rule is given: 'no acl' is the list that denies everything");
}

function rulesPath(gateway: string): string {
  return `/gateways/${encodeURIComponent(gateway)}/access-list`;
}
