/** Longest that closing a bus waits for handlers, and then for the server. */
export const closeMs = 5_000;

/** Waits for the promise, however it ends, at most so long. */
export async function within(deadlineMs: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, deadlineMs)));
  await Promise.race([promise.catch(() => undefined), late]);
  clearTimeout(timer);
}
