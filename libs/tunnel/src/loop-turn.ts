/**
 * Tells turns of the event loop apart. Whoever wants to know whether something happened earlier in the same turn would
 * else schedule a reset for its end, each for itself: with small requests that is one for every request.
 */
let turn = 0;
let isCounted = false;

/** The same number until what has already arrived has been handled, and another one after that. */
export function currentTurn(): number {
  if (!isCounted) {
    isCounted = true;
    setImmediate(nextTurn);
  }
  return turn;
}

function nextTurn(): void {
  isCounted = false;
  turn += 1;
}
