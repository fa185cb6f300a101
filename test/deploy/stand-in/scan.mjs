// What BuildKit asks of a scanner: the contents of an image are in one folder, and a statement about them is wanted in another.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

const { BUILDKIT_SCAN_SOURCE: source, BUILDKIT_SCAN_DESTINATION: destination } = process.env;
const options = ['--override-default-catalogers', 'image', '--output', 'spdx-json', '--quiet'];
const found = execFileSync('/syft', ['scan', `dir:${source}`, ...options], {
  env: { ...process.env, HOME: '/tmp', SYFT_CHECK_FOR_APP_UPDATE: 'false' },
  encoding: 'utf8',
  maxBuffer: 256 * 1024 * 1024,
});
const statement = {
  _type: 'https://in-toto.io/Statement/v0.1',
  predicateType: 'https://spdx.dev/Document',
  predicate: JSON.parse(found),
};
writeFileSync(`${destination}/sbom.spdx.json`, JSON.stringify(statement));
