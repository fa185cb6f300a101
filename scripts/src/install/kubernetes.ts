/**
 * What charts are checked with: helm, kubeconform, and the schemas of one version of Kubernetes, made from the OpenAPI
 * description in its Go module. Built by Go, which takes minutes: only on request (`pnpm service:install kubernetes`).
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { installedFile } from './cache.ts';
import { findCommand, runCommand } from './command.ts';

/** The version of Kubernetes that charts are checked against. */
export const KUBERNETES_VERSION = '1.34.4';
const HELM = 'helm.sh/helm/v3/cmd/helm@v3.22.0';
const KUBECONFORM = 'github.com/yannh/kubeconform/cmd/kubeconform@v0.6.7';

/** Where the tools are. */
export interface KubernetesTools {
  readonly helm: string;
  readonly kubeconform: string;
  /** A folder of JSON schemas, `<kind>-<group>-<version>.json`. */
  readonly schemas: string;
}

/** The tools when they are in the cache, else null. */
export function kubernetesTools(): KubernetesTools | null {
  const folder = installedFile('kubernetes', KUBERNETES_VERSION);
  if (folder === null) return null;
  return {
    helm: join(folder, 'bin', 'helm'),
    kubeconform: join(folder, 'bin', 'kubeconform'),
    schemas: join(folder, 'schemas'),
  };
}

/** Fills `folder` with the programs and the schemas. */
export async function buildKubernetes(folder: string): Promise<Record<string, string>> {
  const go = findCommand('go');
  if (go === null) throw new Error('Go, which builds helm and kubeconform, was not found');
  const environment = { CGO_ENABLED: '0', GOBIN: join(folder, 'bin') };
  for (const program of [HELM, KUBECONFORM]) {
    await runCommand(go, ['install', program], environment);
  }
  const module = `k8s.io/kubernetes@v${KUBERNETES_VERSION}`;
  const { Dir } = JSON.parse(await runCommand(go, ['mod', 'download', '-json', module])) as { Dir: string };
  await writeSchemas(join(Dir, 'api', 'openapi-spec', 'swagger.json'), join(folder, 'schemas'));
  return { helm: HELM, kubeconform: KUBECONFORM };
}

interface Definition {
  readonly 'x-kubernetes-group-version-kind'?: readonly { group: string; kind: string; version: string }[];
}

/** One file with all definitions, and one for each kind that refers to it. */
async function writeSchemas(swagger: string, folder: string): Promise<void> {
  if (!existsSync(swagger)) throw new Error(`Kubernetes' module has no ${swagger}`);
  const { definitions } = JSON.parse(await readFile(swagger, 'utf8')) as {
    definitions: Record<string, Definition>;
  };
  await mkdir(folder, { recursive: true });
  const strict = Object.fromEntries(Object.entries(definitions).map(([name, one]) => [name, toSchema(one)]));
  await writeFile(join(folder, '_definitions.json'), JSON.stringify({ definitions: strict }));
  for (const [name, definition] of Object.entries(definitions)) {
    for (const { group, kind, version } of definition['x-kubernetes-group-version-kind'] ?? []) {
      const suffix = group === '' ? version : `${group.split('.')[0]}-${version}`;
      const file = join(folder, `${kind.toLowerCase()}-${suffix}.json`);
      await writeFile(file, JSON.stringify({ $ref: `_definitions.json#/definitions/${name}` }));
    }
  }
}

/** OpenAPI's words as JSON Schema's; what is not named may not be there. */
function toSchema(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(toSchema);
  if (typeof node !== 'object' || node === null) return node;
  const { format, $ref, ...rest } = node as Record<string, unknown>;
  if (format === 'int-or-string') return { oneOf: [{ type: 'string' }, { type: 'integer' }] };
  if (typeof $ref === 'string') {
    return { $ref: `_definitions.json#/definitions/${$ref.split('/').at(-1) ?? ''}` };
  }
  const kept = Object.entries(rest).filter(([key]) => !key.startsWith('x-kubernetes-'));
  const schema = Object.fromEntries(kept.map(([key, value]) => [key, toSchema(value)]));
  const isObject = typeof rest['properties'] === 'object' && 'type' in rest;
  return isObject && !('additionalProperties' in schema)
    ? { ...schema, additionalProperties: false }
    : schema;
}
