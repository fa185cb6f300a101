/**
 * What a container's health check runs: `node health-check.ts PORT [PATH]` asks the ops port of this machine and ends with 0
 * when it answers 200, with 1 when it does not. It needs no shell and no other program, and loads nothing, since it runs
 * every few seconds beside the program itself.
 */
import { get } from 'node:http';

const answerWithinMs = 3_000;
const [port = '', path = '/healthz'] = process.argv.slice(2);

get({ host: '127.0.0.1', port, path, timeout: answerWithinMs, agent: false }, (response) => {
  response.resume();
  response.on('end', () => end(response.statusCode === 200, `${path} answers ${response.statusCode}`));
})
  .on('timeout', () => end(false, `${path} does not answer`))
  .on('error', (error) => end(false, error.message));

function end(healthy: boolean, words: string): never {
  if (!healthy) process.stderr.write(`${words}\n`);
  process.exit(healthy ? 0 : 1);
}
