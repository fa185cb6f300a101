// What peers have in common whose client dials a server and says at its start which fronts the server is to open.

import type { Command } from '../program.ts';
import { resourceNames, type Stage } from '../stage.ts';
import { type Started, startIdleClients } from './peer.ts';

/** Fronts with where they lead, as ports of 127.0.0.1. */
export type Forwards = ReadonlyArray<readonly [front: number, resource: number]>;

/** The commands of both ends; `leg` is the port at which the client reaches the server. */
export interface ReverseCommands {
  server(port: number): Command;
  client(leg: number, forwards: Forwards): Command;
}

/** Starts both ends; an idle tunnel is one more client with a front of its own. */
export async function startReverse(stage: Stage, commands: ReverseCommands): Promise<Started> {
  const port = await stage.port();
  await stage.start('edge', commands.server(port));
  await stage.listening([port]);
  const leg = await stage.leg(port);
  const fronts = await stage.ports();
  const startClient = (forwards: Forwards) => stage.start('client', commands.client(leg, forwards));
  await startClient(resourceNames.map((name) => [fronts[name], stage.resources[name]]));
  await stage.listening(Object.values(fronts));
  const addIdleTunnels = (count: number): Promise<number> =>
    startIdleClients(stage, count, (_index, front) => startClient([[front, stage.resources.echo]]));
  return { fronts, addIdleTunnels };
}
