/** A program that logs more than a pipe takes, shows on stdout that it goes on, and ends when it is told to on stdin. */
import process from 'node:process';
import { createLogger } from './logger.ts';

const logger = createLogger({ name: 'x' });
for (let line = 0; line < 900; line += 1) logger.info({ line, filling: 'f'.repeat(900) }, 'a line');
setImmediate(() => process.stdout.write('goes on\n'));
process.stdin.once('data', () => process.exit());
