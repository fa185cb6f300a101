#!/usr/bin/env node
// Starts the client: in this process where its Node is new enough, else on the Node that came with the package. Written
// for Node 20, as it is run by whichever Node the machine has.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const isEnough = major > 24 || (major === 24 && minor >= 12);

if (isEnough) await import('./client.js');
else startOnOwnNode();

function startOnOwnNode() {
  const node = ownNode();
  if (node === null) {
    process.stderr.write(
      `postern-client: this is Node ${process.versions.node}; 24.12 or newer is needed, and there is none beside the package ` +
        `(it comes with it for Linux, unless optional dependencies are left out)\n`,
    );
    process.exitCode = 78;
    return;
  }
  // The old flags can carry secrets, and who lists processes sees this one as well.
  process.title = 'postern-client';
  const client = join(dirname(fileURLToPath(import.meta.url)), 'client.js');
  const child = spawn(node, [client, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`postern-client: ${node} cannot be started: ${error.message}\n`);
    process.exit(70);
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}

function ownNode() {
  try {
    const name = `node-${process.platform}-${process.arch}`;
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`);
    const node = join(dirname(manifest), 'bin', 'node');
    return existsSync(node) ? node : null;
  } catch {
    return null;
  }
}
