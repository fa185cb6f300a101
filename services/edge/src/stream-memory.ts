/** What the streams of a node, and of each of its gateways, may have of the memory. */
import { halfOf } from '@postern/share';
import { type Limits, defaultLimits, memoryLimits, memoryOfMachine } from '@postern/tunnel';

/** The bounds of one of so many workers, which share what their machine has; a gateway has half of its worker's. */
export function streamMemory(workers: number): Partial<Limits> {
  const memory = memoryLimits(memoryOfMachine() / workers);
  return {
    ...memory,
    receiveBytesPerGatewayMax: halfOf(memory.receiveBytesPerProcessMax),
    sendBytesPerGatewayMax: halfOf(memory.sendBytesPerProcessMax),
    tombstonesPerGatewayMax: halfOf(defaultLimits.tombstonesMax),
  };
}
