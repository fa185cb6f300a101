/**
 * The demo: what the README's first command does. In this order, and stopped in the other:
 *
 *     sample application ─► platform ─► gateway, access list, token, destinations ─► client ─► requests
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createApi, readContext } from '@postern/cli';
import { check } from './check.ts';
import type { DemoOptions } from './command.ts';
import { DemoError } from './errors.ts';
import { addressOf } from './exposed.ts';
import { freeFlags, portFlags } from './port.ts';
import { type Program, startProgram } from './program.ts';
import { startSample } from './sample.ts';
import { showRunning, showStep, showTable, showTitle } from './screen.ts';
import { type Setup, type Wanted, setUp } from './setup.ts';

/** Callers that are still connected get this long when the demo ends. */
const drainGraceMs = 500;

interface OperatorFile {
  readonly apiKey: string;
  readonly caFile: string;
  readonly connectUrl: string;
  readonly dashboardUrl: string;
}

interface Folder {
  readonly path: string;
  readonly isTemporary: boolean;
}

/** Runs until the signal is aborted, or with `once` until everything was tried. Rejects with why it could not go on. */
export async function runDemo(options: DemoOptions, signal: AbortSignal): Promise<void> {
  showTitle();
  const folder = await makeFolder(options.state);
  const stops: (() => unknown)[] = [];
  let isDone = false;
  try {
    await run(options, folder, stops, signal);
    isDone = true;
  } finally {
    for (const stop of stops.toReversed()) await stop();
    // After a failure the logs are wanted.
    if (folder.isTemporary && (isDone || signal.aborted))
      await rm(folder.path, { recursive: true, force: true });
  }
}

async function run(
  options: DemoOptions,
  folder: Folder,
  stops: (() => unknown)[],
  signal: AbortSignal,
): Promise<void> {
  const started = performance.now();
  const wanted = await findWanted(options, stops);
  const platform = await startPlatform(folder.path, signal);
  stops.push(() => platform.stop());
  const operatorFile = join(folder.path, 'platform', 'operator.json');
  const operator = JSON.parse(await readFile(operatorFile, 'utf8')) as OperatorFile;
  showStep(true, 'platform', `serves clients at ${operator.connectUrl} (${secondsSince(started)})`);

  const setup = await setUp(createApi(readContext({ operatorFile })), wanted, signal);
  showStep(true, 'set up', `gateway ${setup.gatewayId} with token, access list, ${counted(wanted.length)}`);
  const client = await startClient(folder.path, operator, setup, signal);
  stops.push(() => client.stop());
  showStep(true, 'client', `dialled out and is connected (${secondsSince(started)})`);

  const rows = await Promise.all(setup.reached.map(async (one) => ({ ...one, seen: await check(one) })));
  signal.throwIfAborted();
  if (options.once) {
    showTable(rows);
    const bad = rows.find(({ seen }) => !seen.ok);
    if (bad !== undefined)
      throw new DemoError('DEMO_CHECK_FAILED', `${addressOf(bad.front)}: ${bad.seen.text}`);
    return;
  }
  for (const { title, seen } of rows) showStep(seen.ok, title, seen.text);
  const { dashboardUrl, apiKey } = operator;
  showRunning({
    reached: setup.reached,
    dashboardUrl,
    apiKey,
    state: folder.path,
    isTemporary: folder.isTemporary,
  });
  throw await Promise.race([platform.ended, client.ended, aborted(signal)]);
}

async function makeFolder(state: string | null): Promise<Folder> {
  const path = state === null ? await mkdtemp(join(tmpdir(), 'postern-demo-')) : resolve(state);
  await mkdir(join(path, 'logs'), { recursive: true, mode: 0o700 });
  return { path, isTemporary: state === null };
}

async function findWanted({ expose }: DemoOptions, stops: (() => unknown)[]): Promise<Wanted[]> {
  if (expose.length > 0) {
    return expose.map((exposed) => ({ title: addressOf(exposed), resource: exposed, exposed }));
  }
  const sample = await startSample();
  stops.push(() => sample.stop());
  return [{ title: 'sample', resource: { host: sample.host, port: sample.port }, exposed: null }];
}

/** Another program may take a port between the look and the start; then any free ones will do. */
async function startPlatform(folder: string, signal: AbortSignal): Promise<Program> {
  const state = join(folder, 'platform');
  const fixed = ['--state', state, '--drain-grace-ms', String(drainGraceMs)];
  const start = (ports: readonly string[]): Promise<Program> =>
    startProgram('standalone', [...fixed, ...ports], join(folder, 'logs', 'standalone.log'), signal);
  try {
    return await start(await portFlags(state));
  } catch (error) {
    if (!(error instanceof Error && error.message.includes('STANDALONE_PORT_TAKEN'))) throw error;
    return start(freeFlags);
  }
}

async function startClient(
  folder: string,
  { connectUrl, caFile }: OperatorFile,
  { gatewayId, token }: Setup,
  signal: AbortSignal,
): Promise<Program> {
  const state = join(folder, 'client');
  await mkdir(state, { recursive: true, mode: 0o700 });
  const tokenFile = join(state, 'token');
  await writeFile(tokenFile, `${token}\n`, { mode: 0o600 });
  const args = [
    gatewayId,
    '--connect',
    connectUrl,
    '--ca',
    caFile,
    '--token-file',
    tokenFile,
    '--state',
    state,
  ];
  return startProgram('client', args, join(folder, 'logs', 'client.log'), signal);
}

function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) =>
    signal.addEventListener('abort', () => resolve(signal.reason), { once: true }),
  );
}

function secondsSince(started: number): string {
  return `${((performance.now() - started) / 1000).toFixed(1)} s`;
}

function counted(destinations: number): string {
  return destinations === 1 ? '1 destination' : `${destinations} destinations`;
}
