/** RFC 9110, 10.2.3: seconds or a date. What is longer than ten minutes or cannot be read is cut or passed over. */

/** The longest wait that a server may ask for. */
const retryAfterMsMax = 600_000;

/** How long a Retry-After header asks to wait; 0 where there is none. */
export function retryAfterMs(header: string | undefined, nowMs: number): number {
  if (header === undefined) return 0;
  const text = header.trim();
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isFinite(waitMs) ? Math.min(Math.max(waitMs, 0), retryAfterMsMax) : 0;
}
