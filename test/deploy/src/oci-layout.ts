/** A folder in OCI's image layout: what is in it, and a registry that serves it, read only. */
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { type Server, createServer } from 'node:http';
import { join } from 'node:path';

/** What a descriptor says of a blob. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An image or an index of them. */
export interface Manifest {
  readonly manifests?: readonly Descriptor[];
  readonly layers?: readonly Descriptor[];
}

/** The contents of a blob. */
export function readBlob(layout: string, { digest }: Descriptor): unknown {
  return JSON.parse(readFileSync(blobPath(layout, digest), 'utf8'));
}

/** The manifests of a layout, those of nested indices in place of them. */
export function manifestsOf(layout: string): Descriptor[] {
  const expand = (descriptor: Descriptor): Descriptor[] => {
    const { manifests } = readBlob(layout, descriptor) as Manifest;
    return manifests === undefined ? [descriptor] : manifests.flatMap(expand);
  };
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as Manifest;
  return (index.manifests ?? []).flatMap(expand);
}

/** A registry on loopback in which every name is the image of the layout. */
export async function startRegistry(layout: string): Promise<{ server: Server; port: number }> {
  const server = createServer((request, response) => {
    const [, kind = '', reference = ''] = /\/(manifests|blobs)\/([^/]+)$/.exec(request.url ?? '') ?? [];
    if (kind === '') return void response.end();
    const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as Manifest;
    const top = index.manifests?.[0];
    const digest = reference.startsWith('sha256:') ? reference : (top?.digest ?? '');
    const path = blobPath(layout, digest);
    if (!existsSync(path)) return void response.writeHead(404).end();
    const type = kind === 'blobs' ? 'application/octet-stream' : mediaTypeOf(path);
    response.writeHead(200, {
      'content-type': type,
      'content-length': statSync(path).size,
      'docker-content-digest': digest,
    });
    if (request.method === 'HEAD') return void response.end();
    createReadStream(path).pipe(response);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0 };
}

function mediaTypeOf(path: string): string {
  return (JSON.parse(readFileSync(path, 'utf8')) as { mediaType: string }).mediaType;
}

function blobPath(layout: string, digest: string): string {
  return join(layout, 'blobs', ...digest.split(':', 2));
}
