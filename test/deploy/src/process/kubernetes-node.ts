/**
 * A node of Kubernetes, as the first process of a machine of its own: containerd, the images, then kubelet and kube-proxy.
 * All that they would leave on a machine is in memory or in the folder of the argument, and gone with it.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { NodeFiles } from '../kubernetes/node-file.ts';

const folder = process.argv[2] ?? '';
const files = JSON.parse(readFileSync(join(folder, 'node.json'), 'utf8')) as NodeFiles;
const namespace = ['--address', files.socket, '--namespace', 'k8s.io'];
const containerdWithinMs = 60_000;

for (const place of ['/run', '/var/lib/cni', '/var/lib/kubelet', '/var/log']) {
  mkdirSync(place, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', place]);
}
pretendKernelSettings();
writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
start('containerd', files.programs.containerd, ['--config', files.containerd]);
await containerdReady();
execFileSync(files.programs.ctr, [...namespace, 'images', 'import', files.images], { stdio: 'ignore' });
start('kubelet', files.programs.kubelet, files.kubelet);
start('kube-proxy', files.programs['kube-proxy'], files.proxy);

/** The kubelet wants some settings that are the whole machine's: it finds them here as it wants them, and leaves them. */
function pretendKernelSettings(): void {
  for (const [name, value] of Object.entries(files.kernelSettings)) {
    const file = join(folder, name.replaceAll('/', '-'));
    writeFileSync(file, `${value}\n`);
    execFileSync('mount', ['--bind', file, `/proc/sys/${name}`]);
  }
}

/** Starts a program that must not end before the machine does. */
function start(name: string, command: string, args: readonly string[]): ChildProcess {
  const log = openSync(join(folder, `${name}.log`), 'a');
  const child = spawn(command, args, { stdio: ['ignore', log, log] });
  child.once('error', (error) => fail(`${name}: ${error.message}`));
  child.once('exit', (code, signal) => fail(`${name} ended (${signal ?? code})`));
  return child;
}

function fail(words: string): never {
  process.stderr.write(`${words}\n`);
  process.exit(1);
}

async function containerdReady(): Promise<void> {
  const deadline = Date.now() + containerdWithinMs;
  for (;;) {
    try {
      execFileSync(files.programs.ctr, [...namespace, 'version'], { stdio: 'ignore' });
      return;
    } catch (error) {
      if (Date.now() > deadline) fail(`containerd did not answer: ${String(error)}`);
      await delay(100);
    }
  }
}
