/**
 * Reaches a resource by the protocol that its destination has, for whoever pairs it with a stream: TCP by `dialResource`,
 * UDP by a connected socket, for which nothing is sent and so nothing is known but that there is a way.
 */
import { type Socket as DatagramSocket, createSocket } from 'node:dgram';
import { once } from 'node:events';
import {
  ResetCode,
  type EarlyDatagrams,
  type Joined,
  type Stream,
  joinDatagrams,
  joinSocket,
} from '@postern/tunnel';
import { Deadline } from './deadline.ts';
import { askByName, findResource } from './find-resource.ts';
import { type ResourceParts, type ResourceTarget, denialNow, dialResource } from './resource-dialer.ts';
import { ResourceError, connectFault, deniedFault, joinedFault } from './resource-error.ts';
import { takeStep } from './step.ts';

/** What is to be reached, and by which protocol; TCP unless given. */
export interface ReachTarget extends ResourceTarget {
  readonly protocol?: 'tcp' | 'udp' | undefined;
}

/** A resource that was reached: to be joined with a stream, or closed. */
export interface Reached {
  /** Null where a proxy resolves the name. */
  readonly address: string | null;
  /** Takes it over; the stream is accepted right after. `onDropped` is told of datagrams. */
  join(stream: Stream, early: EarlyDatagrams, onDropped: (count: number) => void): Promise<Joined>;
  close(): void;
}

/** Rejects with ResourceError, or the signal's reason. A list that changed meanwhile is asked again. */
export async function reachResource(
  parts: ResourceParts,
  target: ReachTarget,
  signal: AbortSignal,
): Promise<Reached> {
  const reached =
    target.protocol === 'udp'
      ? await reachByDatagrams(parts, target, signal)
      : await reachByConnection(parts, target, signal);
  const denial = denialNow(parts, target, reached.address);
  if (denial === null) return reached;
  reached.close();
  const { host, port } = target;
  throw deniedFault(parts.end, { host, port }, denial);
}

async function reachByConnection(
  parts: ResourceParts,
  target: ReachTarget,
  signal: AbortSignal,
): Promise<Reached> {
  const { socket, address, explain } = await dialResource(parts, target, signal);
  return {
    address,
    join: (stream) => joinSocket(stream, socket, { explain }),
    close: () => socket.destroy(),
  };
}

async function reachByDatagrams(
  parts: ResourceParts,
  target: ReachTarget,
  signal: AbortSignal,
): Promise<Reached> {
  const { host, port } = target;
  const { socket, address } = await findByDatagrams(parts, target, signal);
  return {
    address,
    join: (stream, early, onDropped) => joinDatagrams(stream, socket, early, `${host}:${port}`, onDropped),
    close: () => socket.close(),
  };
}

/** A socket that sends to the resource and hears it alone. Rejects with ResourceError, or the signal's reason. */
export async function findByDatagrams(
  parts: ResourceParts,
  target: ReachTarget,
  signal: AbortSignal,
): Promise<{ socket: DatagramSocket; address: string }> {
  if (target.tls !== undefined || target.proxy !== undefined) {
    throw new ResourceError(ResetCode.NotSupported, 'UDP goes without TLS and without a proxy');
  }
  const { port } = target;
  await askByName(parts, target);
  const { addresses, faults } = await findResource(
    parts,
    target,
    new Deadline(target.connectTimeoutSeconds),
    signal,
  );
  return takeStep(
    parts.onStep,
    'connect',
    async () => {
      for (const address of addresses) {
        try {
          return { socket: await connectDatagrams(address, port), address };
        } catch (error) {
          faults.push(connectFault(parts.end, target, address, error));
        }
      }
      throw joinedFault(faults);
    },
    ({ address }) => `${address}:${port} can be sent datagrams; whether anybody takes them is not known`,
  );
}

/** Connecting a UDP socket sends nothing; it fails where there is no route. */
async function connectDatagrams(address: string, port: number): Promise<DatagramSocket> {
  const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4' });
  try {
    // Without a callback, which would be given the error in place of the event.
    socket.connect(port, address);
    await once(socket, 'connect');
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}
