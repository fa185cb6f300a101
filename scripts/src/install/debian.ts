/**
 * Servers and programs that Debian packages: installed by apt-get where the machine has it and we may, asked
 * for in plain words where not. What is there already is left alone, whatever its version.
 *
 * A package's own service is not started: tests start servers of their own, on ports of their own, and the
 * machine's port 80 is none of our business. Debian's switch for that is a `policy-rc.d` that answers 101.
 */
import { existsSync, globSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { cacheFolder, withLock } from './cache.ts';
import { findCommand, runCommand } from './command.ts';

/** `apt-get update` once per run is enough. */
let listsAreFresh: Promise<string> | undefined;

const POLICY_FILE = '/usr/sbin/policy-rc.d';
const POLICY = '#!/bin/sh\nexit 101\n';

/** Which package brings a command, or a file that has no folder of its own: the path of one, as a pattern. */
export const debianPackages = {
  postgresql: ['initdb', 'postgres', 'psql', 'pgbench'],
  'redis-server': ['redis-server', 'redis-cli', 'redis-benchmark'],
  'nginx-light': ['nginx'],
  haproxy: ['haproxy'],
  keepalived: ['keepalived'],
  iproute2: ['ip', 'ss'],
  nftables: ['nft'],
  'util-linux': ['unshare', 'nsenter', 'mount'],
  stunnel4: ['stunnel4'],
  'openssh-server': ['sshd', 'sftp-server'],
  'openssh-client': ['ssh', 'sftp', 'ssh-keygen'],
  squid: ['squid', 'basic_ncsa_auth'],
  microsocks: ['microsocks'],
  wrk: ['wrk'],
  iperf3: ['iperf3'],
  'apache2-utils': ['ab', 'htpasswd'],
  curl: ['curl'],
  shellcheck: ['shellcheck'],
  rsyslog: ['rsyslogd'],
  'rsyslog-openssl': ['/usr/lib/*/rsyslog/lmnsd_ossl.so'],
  'dnsmasq-base': ['dnsmasq'],
  'bind9-dnsutils': ['dig'],
  faketime: ['faketime'],
  spin: ['spin'],
  'build-essential': ['gcc'],
  prometheus: ['promtool'],
  'etcd-server': ['etcd'],
  containerd: ['containerd', 'ctr'],
  runc: ['runc'],
  'containernetworking-plugins': ['ptp', 'host-local', 'loopback'],
  iptables: ['iptables'],
  chromium: ['chromium'],
  'libnss3-tools': ['certutil', 'pk12util'],
} as const satisfies Record<string, readonly string[]>;

/** The name of a package that `debianPackages` knows. */
export type DebianPackage = keyof typeof debianPackages;

/** A command that one of the packages brings. */
export type DebianCommand = (typeof debianPackages)[DebianPackage][number];

/** The commands of a package that are not on this machine. */
export function missingCommands(name: DebianPackage): string[] {
  return debianPackages[name].filter((command: string) =>
    command.startsWith('/') ? globSync(command).length === 0 : findCommand(command) === null,
  );
}

/** Installs packages; says which ones and how where this user or this system cannot. */
export async function installPackages(names: readonly string[]): Promise<void> {
  const aptGet = findCommand('apt-get');
  if (aptGet === null) {
    throw new Error(
      `not found, and this system has no apt-get: install what Debian calls ${names.join(', ')}`,
    );
  }
  if (process.getuid?.() !== 0) {
    throw new Error(
      `not found; only root may install it: sudo apt-get install --no-install-recommends ${names.join(' ')}`,
    );
  }
  const apt = (...args: string[]) =>
    runCommand(aptGet, ['-o', 'DPkg::Lock::Timeout=120', ...args], { DEBIAN_FRONTEND: 'noninteractive' });
  await withLock(cacheFolder(), 'apt', () =>
    withoutServiceStarts(async () => {
      listsAreFresh ??= apt('update');
      await listsAreFresh;
      await apt('install', '-y', '--no-install-recommends', ...names);
    }),
  );
}

async function withoutServiceStarts(work: () => Promise<void>): Promise<void> {
  const isOurs = !existsSync(POLICY_FILE);
  if (isOurs) await writeFile(POLICY_FILE, POLICY, { mode: 0o755 });
  try {
    await work();
  } finally {
    if (isOurs) await rm(POLICY_FILE, { force: true });
  }
}
