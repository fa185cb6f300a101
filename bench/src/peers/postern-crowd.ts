// Idle tunnels by the thousand for Postern: clients without resources, many in a process, whose tunnels are kept as
// those that users run keep theirs.

import { readFile } from 'node:fs/promises';
import type { Stage } from '../stage.ts';
import type { GatewayAccess, OperatorFile } from './postern-access.ts';

const processes = 2;
/** For all to come, each by a call and a handshake of its own. */
const timeoutMs = 600_000;

/** Starts them and resolves with their number when all are up; they end with the stage. */
export async function startCrowd(
  stage: Stage,
  { connectUrl, caFile }: OperatorFile,
  { id, token }: GatewayAccess,
  clients: number,
): Promise<number> {
  const { Herd } = await import('@postern/test-storm');
  const order = { gatewayId: id, token, connectUrl, caPem: await readFile(caFile, 'utf8'), clients };
  const herd = new Herd(order, processes);
  stage.atEnd(() => herd[Symbol.asyncDispose]());
  await herd.until((up) => up === clients, timeoutMs);
  return clients;
}
