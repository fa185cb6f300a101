/**
 * What a stream of datagrams does with bytes: DATA and FIN have no meaning there, and a peer that sends them takes it for
 * another kind of stream (docs/PROTOCOL.md, "DATAGRAM").
 */
import { ResetCode } from '../error.ts';
import type { StreamEnd, StreamEvents } from '../stream/stream-end.ts';

/** The events by which a stream of datagrams is reset when bytes come, or their end. */
export function refuseBytes(stream: StreamEnd): Pick<StreamEvents, 'onData' | 'onEnd'> {
  const refuse = (): void =>
    stream.reset(ResetCode.Protocol, 'a stream of datagrams takes no DATA and no FIN');
  return { onData: refuse, onEnd: refuse };
}
