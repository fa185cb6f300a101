/**
 * SecantusDB: a server that speaks MongoDB's wire protocol, on WiredTiger, from PyPI. It is a process for tests
 * (GPL, beta, one member only) and is never shipped; users run MongoDB, and `POSTERN_TEST_MONGODB_URL` lets the
 * same tests run against that.
 */
import { pipInstall, requirePython } from './python.ts';

/** The pinned version; its dependencies are pinned below, so that a test means the same tomorrow. */
export const SECANTUS_VERSION = '0.7.0b3';

const PACKAGES = [
  `secantusdb==${SECANTUS_VERSION}`,
  'pymongo==4.20.0',
  'dnspython==2.9.2',
  's2sphere==0.2.5',
  'future==1.0.0',
  'shapely==2.2.0',
  'numpy==2.4.6',
  'python-dateutil==4.0.0',
  'tzdata==2026.6',
];

/** Fills `folder` with the packages; the stamp remembers which Python they are for. */
export async function buildSecantus(folder: string): Promise<Record<string, string>> {
  const python = await requirePython();
  await pipInstall(python, folder, PACKAGES);
  return { python: python.path, tag: python.tag };
}
