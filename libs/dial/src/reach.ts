/**
 * Reaches a resource for a stream that was offered, by the protocol that its destination has: TCP by `dialResource`, UDP by a
 * connected socket, for which nothing is sent and so nothing is known but that there is a way. A stream that ends
 * meanwhile ends the dial; datagrams that come meanwhile are kept, in bounds.
 */
import { type Socket as DatagramSocket, createSocket } from 'node:dgram';
import { once } from 'node:events';
import {
  ResetCode,
  EarlyDatagrams,
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

/** A resource that was reached. */
export interface Reached {
  /** Null where a proxy resolves the name. */
  readonly address: string | null;
  /** Joins it with its stream, which is accepted right after. */
  join(): Promise<Joined>;
  close(): void;
}

/** Before it has a stream. */
interface Found extends Pick<Reached, 'address' | 'close'> {
  join(stream: Stream, early: EarlyDatagrams, onDropped: (count: number) => void): Promise<Joined>;
}

/**
 * Null when the stream has ended first. Rejects with ResourceError, or with the reason of `abort`, which gives up the dial.
 * `onDropped` is told of datagrams, also of those of the joined stream.
 */
export async function reachResource(
  parts: ResourceParts,
  target: ReachTarget,
  stream: Stream,
  abort: AbortController,
  onDropped: (count: number) => void,
): Promise<Reached | null> {
  const early = new EarlyDatagrams(stream.scope);
  let over = false;
  const keep = (payload: Buffer): void => {
    if (!early.push(payload)) onDropped(1);
  };
  stream.events = {
    onReset: () => {
      over = true;
      abort.abort(new Error('the stream has ended'));
    },
    ...(target.protocol === 'udp' ? { onDatagram: keep } : {}),
  };
  try {
    const found = await find(parts, target, abort.signal);
    if (!over) {
      const join = () => found.join(stream, early, onDropped).finally(() => early.clear());
      return { address: found.address, join, close: () => found.close() };
    }
    found.close();
  } catch (error) {
    early.clear();
    if (!over) throw error;
  }
  early.clear();
  return null;
}

/** A list that changed meanwhile is asked again. */
async function find(parts: ResourceParts, target: ReachTarget, signal: AbortSignal): Promise<Found> {
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
): Promise<Found> {
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
): Promise<Found> {
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
