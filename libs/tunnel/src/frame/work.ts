/** What frames cost who handles them: by their number, and where they are JSON by their bytes too. */
import { FrameType } from './frame.ts';

/**
 * What is JSON costs as much as so many of the others, and one more for each so many of its bytes. RESET costs as much as
 * the RESUME that follows where it says that a path is lost.
 */
const jsonWork = 16;
const jsonBytesPerWork = 64;

/** What may still be handled. */
export interface Allowance {
  left: number;
}

/** Of which there is always some left. */
export const unlimited: Allowance = { left: Number.POSITIVE_INFINITY };

/** What a frame takes of an allowance. */
export function workOf(type: number, length: number): number {
  switch (type) {
    case FrameType.Control:
    case FrameType.Open:
    case FrameType.Resume:
    case FrameType.Reset:
      return jsonWork + Math.floor(length / jsonBytesPerWork);
    default:
      return 1;
  }
}
