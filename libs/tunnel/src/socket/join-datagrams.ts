/**
 * Pairs a stream with a connected UDP socket: each DATAGRAM is one datagram there, and back. A port that nobody listens
 * on tells so by ICMP, which the system gives to a connected socket as ECONNREFUSED: that ends the flow with its cause.
 */
import type { Socket as DatagramSocket } from 'node:dgram';
import type { EarlyDatagrams } from './early-datagrams.ts';
import { ResetCode } from '../error.ts';
import type { Joined } from './join-socket.ts';
import { refuseBytes } from './refuse-bytes.ts';
import type { StreamEnd } from '../stream/stream-end.ts';

const sendQueueBytesMax = 4_194_304;

/**
 * Takes the socket over, sends what came early, and resolves when the stream is over. The stream is accepted by the caller.
 * `onDropped` is told at once how many find no room at this end: a flow may go on for weeks.
 */
export function joinDatagrams(
  stream: StreamEnd,
  socket: DatagramSocket,
  early: EarlyDatagrams,
  what: string,
  onDropped: (count: number) => void,
): Promise<Joined> {
  const { promise, resolve } = Promise.withResolvers<Joined>();
  const counts = { received: 0, sent: 0 };
  let over = false;
  const finish = (reset: Joined['reset']): void => {
    if (over) return;
    over = true;
    socket.close();
    resolve({ ...counts, reset });
  };
  const handleError = (error: NodeJS.ErrnoException): void => {
    if (over) return;
    onDropped(1);
    if (error.code === 'ECONNREFUSED')
      stream.reset(ResetCode.Refused, `${what} takes no datagrams: nobody listens there (ICMP)`);
    // Too long for the way to the resource: that one is lost, the flow goes on.
    else if (error.code !== 'EMSGSIZE')
      stream.reset(ResetCode.Unreachable, `${what} cannot be sent datagrams: ${error.code ?? error.message}`);
  };
  const send = (payload: Buffer): void => {
    if (over || socket.getSendQueueSize() > sendQueueBytesMax) {
      onDropped(1);
      return;
    }
    counts.sent += payload.length;
    socket.send(payload, (error) => {
      if (error !== null) handleError(error);
    });
  };
  stream.events = {
    onDatagram: send,
    onReset: (code, text, origin) => finish({ code, text, origin }),
    ...refuseBytes(stream),
  };
  socket.on('error', handleError);
  socket.on('message', (payload) => {
    counts.received += payload.length;
    onDropped(stream.sendDatagram(payload));
  });
  for (const payload of early.items) send(payload);
  early.clear();
  return promise;
}
