/**
 * What can go wrong, each fault with what it has to spare. A fault does its harm and undoes it; when it is over,
 * everything is as it was.
 *
 *   all       nobody notices, neither who runs nor who comes
 *   running   what runs goes on, byte for byte; who comes meanwhile may be turned away
 *   nothing   what runs may be reset, since the process that held it died; never may a byte be wrong
 */
import { passed } from '@postern/test-kit';
import type { Random } from './random.ts';
import type { Edge, World } from './world.ts';

/** See above. */
export type Spares = 'all' | 'running' | 'nothing';

/** One sort of fault. */
export interface Fault {
  readonly name: string;
  readonly spares: Spares;
  /** The nodes whose callers may notice. */
  readonly nodes: readonly number[];
  /** What it spares of callers of the other nodes. */
  readonly elsewhere: Spares;
  harm(world: World): Promise<void>;
}

/** A fault of tunnels, of links, of a client or of a process of a node. */
export function drawPathFault(random: Random, edges: readonly Edge[]): Fault {
  const at = random.between(0, edges.length - 1);
  const { name, node } = edges[at]!;
  const ms = random.between(200, 4_000);
  const proxyOf = (world: World) => world.tunnels[at]!;
  const linkOf = (world: World) => world.links[at]!;
  // Who calls at another node may be served through this one.
  const running = { spares: 'running', nodes: [node], elsewhere: 'running' } as const;
  return random.pick<Fault>([
    {
      ...running,
      name: `all tunnels of ${name} are cut`,
      harm: async (world) => void proxyOf(world).cut(),
    },
    {
      ...running,
      name: `the busiest tunnel of ${name} is cut`,
      harm: async (world) => proxyOf(world).busiest?.reset(),
    },
    {
      ...running,
      name: `the tunnels of ${name} are cut, and refused for ${ms} ms`,
      harm: async (world) => {
        proxyOf(world).refuse();
        proxyOf(world).cut();
        await passed(ms);
        proxyOf(world).resume();
      },
    },
    {
      ...running,
      name: `${name} is behind a black hole for ${3 * ms} ms`,
      harm: async (world) => {
        proxyOf(world).blackHole();
        await passed(3 * ms);
        proxyOf(world).resume();
      },
    },
    {
      ...running,
      name: `the tunnels of ${name} are slow by ${Math.ceil(ms / 50)} ms for ${ms} ms, then cut`,
      harm: async (world) => {
        proxyOf(world).delay(Math.ceil(ms / 50));
        await passed(ms);
        proxyOf(world).cut();
        proxyOf(world).delay(0);
      },
    },
    {
      ...running,
      name: `the links that lead to ${name} are cut, and refused for ${ms} ms`,
      harm: async (world) => {
        linkOf(world).refuse();
        linkOf(world).cut();
        await passed(ms);
        linkOf(world).resume();
      },
    },
    {
      ...running,
      name: `the links that lead to ${name} swallow everything for ${3 * ms} ms`,
      harm: async (world) => {
        linkOf(world).blackHole();
        await passed(3 * ms);
        linkOf(world).resume();
      },
    },
    {
      ...running,
      name: `the busiest link that leads to ${name} loses what goes one way`,
      harm: async (world) => {
        // For good: the nodes have to find out, and make another.
        linkOf(world).busiest?.pauseOneWay(ms % 2 === 0 ? 'toTarget' : 'fromTarget');
        await passed(3 * ms);
      },
    },
    {
      name: `client ${at % 2} is killed and started again`,
      spares: 'nothing',
      nodes: [0, 1, 2],
      elsewhere: 'nothing',
      harm: async ({ clients }) => {
        const client = clients[at % 2]!;
        await client.kill();
        await client.part.start();
      },
    },
    {
      ...running,
      name: `${name} is drained, stopped and started again`,
      harm: async ({ cluster }) => {
        await cluster.part(name).stop();
        await cluster.restart(name);
      },
    },
    {
      name: `${name} is killed and started again`,
      spares: 'nothing',
      nodes: [node],
      elsewhere: 'running',
      harm: async ({ cluster }) => {
        await cluster.kill(name);
        await cluster.restart(name);
      },
    },
  ]);
}

/** A fault of the control plane. */
export function drawControlFault(random: Random): Fault {
  const name = random.pick(['nats-1', 'mongodb', 'router', 'acl', 'certstore', 'admin']);
  const ms = random.between(200, 4_000);
  const all = { spares: 'all', nodes: [], elsewhere: 'all' } as const;
  return random.pick<Fault>([
    {
      ...all,
      name: `${name} is frozen for ${ms} ms`,
      harm: async ({ cluster }) => {
        const part = cluster.part(name);
        part.kill('SIGSTOP');
        await passed(ms);
        part.kill('SIGCONT');
      },
    },
    {
      ...all,
      name: `${name} is killed, and started again after ${ms} ms`,
      harm: async ({ cluster }) => {
        await cluster.kill(name);
        await passed(ms);
        await cluster.restart(name);
      },
    },
  ]);
}
