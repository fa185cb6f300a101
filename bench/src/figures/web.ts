// Fronts that do more than pass bytes on: TLS that they end, and HTTP that they understand.

import type { Measured } from '../figure.ts';
import { handshakesPerSecond } from '../load/handshakes.ts';
import { bodies } from '../load/http.ts';
import type { Front, WebFronts } from '../peers/peer.ts';
import type { Scene } from './measurement.ts';
import { measureLoad } from './requests.ts';

const bytesOfMebibyte = 2 ** 20;

/** Requests and bytes over TLS, and new TLS connections. */
export async function measureTls(scene: Scene): Promise<Measured> {
  const { tls: front } = webFronts(scene);
  const { small, large, errors } = await measureBodies(scene, front, true);
  const { seconds } = scene.effort;
  return {
    'tls-requests': small.requestsPerSecond,
    'tls-requests-p99': small.p99Ms,
    'tls-requests-cpu': small.cpu,
    'tls-bytes': large,
    'tls-new': await handshakesPerSecond(front, { reuse: false, seconds }),
    'tls-resumed': await handshakesPerSecond(front, { reuse: true, seconds }),
    'tls-errors': errors,
  };
}

/** Requests and bytes through a front that speaks HTTP. */
export async function measureWeb(scene: Scene): Promise<Measured> {
  const { small, large, errors } = await measureBodies(scene, webFronts(scene).http, false);
  return {
    'web-requests': small.requestsPerSecond,
    'web-requests-p99': small.p99Ms,
    'web-requests-cpu': small.cpu,
    'web-bytes': large,
    'web-errors': errors,
  };
}

/** `large` in MB/s. */
async function measureBodies(scene: Scene, front: Front, tls: boolean) {
  const { kibibyte, mebibyte } = bodies;
  const common = { keepAlive: true, tls };
  const small = await measureLoad(scene, front, { ...common, connections: 64, path: kibibyte });
  const large = await measureLoad(scene, front, { ...common, connections: 8, path: mebibyte });
  return {
    small: { ...small.result, cpu: small.cpu },
    large: (large.result.requestsPerSecond * bytesOfMebibyte) / 1e6,
    errors: small.result.errors + large.result.errors,
  };
}

function webFronts({ started }: Scene): WebFronts {
  if (started.web === undefined) throw new Error('this peer has no TLS and HTTP fronts');
  return started.web;
}
