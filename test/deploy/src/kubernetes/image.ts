/** The project's images, out of the engine of Docker that has them, and one that does nothing: it holds a pod's namespaces. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { tool } from '@postern/scripts/install';

const waiting = '#include <unistd.h>\nint main(void) { for (;;) pause(); }\n';

/** Writes them into `images.tar` of the folder, the one that does nothing under the name given; returns its path. */
export function saveImages(images: readonly string[], pauseImage: string, folder: string): string {
  const root = join(folder, 'pause');
  mkdirSync(root);
  const compile = ['-static', '-Os', '-x', 'c', '-', '-o', join(root, 'pause')];
  execFileSync(tool('gcc'), compile, { input: waiting, stdio: 'pipe' });
  const layer = execFileSync('tar', ['--create', '--directory', root, 'pause'], { maxBuffer: 2 ** 26 });
  const entry = ['--change', 'ENTRYPOINT ["/pause"]'];
  execFileSync('docker', ['import', ...entry, '-', pauseImage], { input: layer, stdio: 'pipe' });
  const file = join(folder, 'images.tar');
  execFileSync('docker', ['save', '--output', file, ...images, pauseImage], { stdio: 'pipe' });
  return file;
}
