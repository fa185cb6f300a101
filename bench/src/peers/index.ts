// All peers, in the order in which tables and plots show them.

import { chisel } from './chisel.ts';
import { direct } from './direct.ts';
import { frp } from './frp.ts';
import { gost } from './gost.ts';
import { haproxy } from './haproxy.ts';
import { findProgram, type Peer } from './peer.ts';
import { nginx } from './nginx.ts';
import { piko } from './piko.ts';
import { posternWorkers } from './postern-cluster.ts';
import { posternTraced } from './postern-traced.ts';
import { postern } from './postern.ts';
import { rathole } from './rathole.ts';
import { ssh } from './ssh.ts';
import { stunnel } from './stunnel.ts';
import { wstunnel } from './wstunnel.ts';

/** Every peer that the bench knows, found or not. */
export const peers: readonly Peer[] = [
  direct,
  postern,
  posternTraced,
  posternWorkers(1),
  posternWorkers(2),
  haproxy,
  nginx,
  stunnel,
  ssh,
  wstunnel,
  frp,
  chisel,
  rathole,
  gost,
  piko,
];

/** Which of a peer's programs are not on this machine. */
export function missingPrograms(peer: Peer): string[] {
  return peer.needs.filter((name) => findProgram(name) === undefined);
}
