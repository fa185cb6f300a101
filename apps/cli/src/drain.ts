/** `postern nodes drain`: asks a node to drain and tells how far it is, until nothing runs there any more. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Static, Type } from 'typebox';
import { type Api, shaped } from './api.ts';
import { CliError } from './errors.ts';

const lookMs = 500;

/** A node as the API shows it, as far as it matters here. */
const ShownNode = Type.Object({
  bootId: Type.String(),
  draining: Type.Boolean(),
  ready: Type.Boolean(),
  tunnels: Type.Integer(),
  callers: Type.Union([Type.Integer(), Type.Null()]),
});

/** Resolves with the node when it is empty, or at once without `wait`; `tell` gets a line each time that it got emptier. */
export async function drainNode(
  api: Api,
  name: string,
  wait: boolean,
  tell: (line: string) => void,
): Promise<unknown> {
  const path = `/nodes/${encodeURIComponent(name)}`;
  let node = shaped(ShownNode, await api.call('POST', `${path}/drain`));
  const { bootId } = node;
  if (!wait) return node;
  tell(`${name} drains, also when nobody waits for it any more`);
  let told = '';
  while (!isEmpty(node)) {
    const line = `${name}: ${node.tunnels} tunnels, ${node.callers ?? 'unknown'} callers are left`;
    if (line !== told) tell(line);
    told = line;
    await sleep(lookMs);
    node = shaped(ShownNode, await api.call('GET', path));
    if (node.bootId !== bootId)
      throw new CliError('CLI_NODE_RESTARTED', `${name} was started again meanwhile`);
  }
  return node;
}

/** The answer to the question may come before the node has told that it is not ready. */
function isEmpty({ draining, ready, tunnels, callers }: Static<typeof ShownNode>): boolean {
  return draining && !ready && tunnels === 0 && callers === 0;
}
