/**
 * A network of its own for a test file: the file runs itself again in a network and mount namespace, on a bridge that it
 * makes there, so that no address of it meets the machine's. Machines on the bridge are processes in namespaces of their
 * own without a name: when all of a machine's processes are killed its network is gone too, as when its power is cut.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findCommand } from '@postern/scripts/install';

const marker = 'POSTERN_TEST_WORLD';
const bridge = 'br0';

/** Whether this process is the one inside. */
export const isInside = process.env[marker] === '1';

/** Why no world can be made here, or null. */
export function worldMissing(): string | null {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'it needs root on Linux';
  const missing = ['unshare', 'ip', 'ss', 'nft', 'haproxy', 'keepalived'].filter(
    (name) => findCommand(name) === null,
  );
  if (missing.length > 0) return `${missing.join(', ')} are not installed`;
  try {
    execFileSync('unshare', ['--net', 'ip', 'link', 'add', bridge, 'type', 'bridge'], { stdio: 'pipe' });
    return null;
  } catch (error) {
    return `no bridge can be made in a network namespace (${String(error).split('\n')[0]})`;
  }
}

/** Runs a test file inside, with these variables; resolves with its exit code once it has ended. Its words are ours. */
export function runInside(fileUrl: string, variables: NodeJS.ProcessEnv = {}): Promise<number> {
  const node = [
    process.execPath,
    '--test',
    '--test-isolation=none',
    '--test-force-exit',
    '--test-reporter=spec',
    fileURLToPath(fileUrl),
  ];
  const environment: NodeJS.ProcessEnv = { ...process.env, ...variables, [marker]: '1' };
  delete environment['NODE_TEST_CONTEXT'];
  const child = spawn('unshare', ['--net', '--mount', '--kill-child', '--fork', ...node], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: environment,
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

/** Makes the bridge with these addresses; the first thing to be done inside. Names are known to this world only. */
export function makeBridge(addresses: readonly string[], hostsFile: string): void {
  execFileSync('mount', ['--bind', hostsFile, '/etc/hosts'], { stdio: 'pipe' });
  ip('link set lo up');
  // Without an address of its own a bridge takes the lowest of its ports', another one when a machine comes or goes, and
  // those that remember the former reach nothing here until they forget it.
  ip(`link add ${bridge} address ${hardwareAddress('0.0.0.1')} type bridge forward_delay 0`);
  ip(`link set ${bridge} up`);
  for (const address of addresses) ip(`addr add ${address}/24 dev ${bridge}`);
}

/** Plugs the machine whose first process this is into the bridge, as its eth0 with that address. */
export function plugIn(pid: number, address: string, name: string): void {
  // A machine keeps its hardware address over a restart; the others remember it.
  const hardware = hardwareAddress(address);
  // The plug of a machine that was killed goes with its network, which takes the system a moment.
  spawnSync('ip', ['link', 'delete', name], { stdio: 'pipe' });
  ip(`link add ${name} type veth peer name eth0 address ${hardware} netns ${pid}`);
  ip(`link set ${name} master ${bridge} up`);
  const inside = (command: string): void => {
    execFileSync('nsenter', ['--net', '--target', String(pid), 'ip', ...command.split(' ')], {
      stdio: 'pipe',
    });
  };
  inside('link set lo up');
  inside(`addr add ${address}/24 dev eth0`);
  inside('link set eth0 up');
}

/** The hardware address that answers for an address now, by which a machine is known; null when nobody has. */
export function hardwareOf(address: string): string | null {
  const words = execFileSync('ip', ['neighbour', 'show', address], { encoding: 'utf8' });
  return /lladdr (\S+)/.exec(words)?.[1] ?? null;
}

/** The hardware address of the machine with that address of its own. */
export function hardwareAddress(address: string): string {
  const parts = address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  return `02:00:${parts.join(':')}`;
}

/** Pulls its plug: what it sends from now on, its last words included, reaches nobody. */
export function unplug(name: string): void {
  ip(`link delete ${name}`);
}

function ip(command: string): void {
  execFileSync('ip', command.split(' '), { stdio: 'pipe' });
}
