/**
 * From what an operator wrote to a whole object: bodies are checked against the contract's schema, defaults filled in,
 * and what this version does not serve refused by name, so that nothing is taken and ignored. A merge patch is
 * applied to the form that the object has now and then checked as a whole.
 */
import { isHost } from '@postern/access';
import { DestinationInput, GatewayInput, type StreamProtocol } from '@postern/contracts';
import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { DestinationDocument, GatewayDocument } from './document.ts';
import { invalid, notSupported } from './errors.ts';
import { mergePatch } from './merge-patch.ts';
import { dnsLabel } from './naming.ts';

const faultsMax = 20;

/** What a gateway says, without what the router adds. */
export type GatewayForm = Pick<GatewayDocument, 'name' | 'description' | 'enabled' | 'requireToken'>;

/** What a destination says, without what the router adds; of its front, what is wanted. */
export type DestinationForm = Pick<
  DestinationDocument,
  'name' | 'kind' | 'enabled' | 'resource' | 'health'
> & {
  front: Pick<DestinationDocument['front'], 'protocol' | 'tls' | 'proxyProtocol'> & {
    host: string | null;
    port: number | null;
  };
};

/** The whole form of a gateway. */
export function gatewayForm(input: GatewayInput): GatewayForm {
  const { name, description = '', enabled = true, requireToken = true } = input;
  if (name.trim() === '') throw invalid([{ path: '/name', message: 'must not be blank' }]);
  return { name, description, enabled, requireToken };
}

/** The form of a gateway with a merge patch applied. */
export function patchGateway(document: GatewayDocument, patch: unknown): GatewayForm {
  const { name, description, enabled, requireToken } = document;
  return gatewayForm(checkGateway(mergePatch({ name, description, enabled, requireToken }, patch)));
}

/** The whole form of a destination. Throws `ROUTER_INVALID` or `ROUTER_NOT_SUPPORTED`. */
export function destinationForm(input: DestinationInput): DestinationForm {
  const protocol = input.front?.protocol ?? input.resource.protocol ?? 'tcp';
  const form: DestinationForm = {
    name: input.name,
    kind: input.kind ?? 'on-premises',
    enabled: input.enabled ?? true,
    resource: resourceForm(input.resource, protocol),
    front: frontForm(input.front ?? {}, protocol),
    health: { kind: 'none', path: '/', intervalSeconds: 10, ...input.health },
  };
  const fault = findFault(form);
  if (fault !== null) throw invalid([fault]);
  const unserved = findUnserved(form, input.clientPort);
  if (unserved !== null) throw notSupported(...unserved);
  return form;
}

/** The form of a destination with a merge patch applied; its front's host and port stay unless the patch gives others. */
export function patchDestination(document: DestinationDocument, patch: unknown): DestinationForm {
  const { name, kind, enabled, resource, front, health } = document;
  const form = destinationForm(
    checkDestination(mergePatch({ name, kind, enabled, resource, front, health }, patch)),
  );
  const { host, port } = form.front;
  return { ...form, front: { ...form.front, host: host ?? front.host, port: port ?? front.port } };
}

const checkGateway = checker(GatewayInput);
const checkDestination = checker(DestinationInput);

function checker<Schema extends TSchema>(schema: Schema): (value: unknown) => Static<Schema> {
  const compiled = Compile(schema);
  return (value) => {
    if (compiled.Check(value)) return value;
    const faults = compiled.Errors(value).slice(0, faultsMax);
    throw invalid(faults.map(({ instancePath, message }) => ({ path: instancePath || '/', message })));
  };
}

function resourceForm(
  input: DestinationInput['resource'],
  protocol: StreamProtocol,
): DestinationForm['resource'] {
  return {
    host: input.host.replace(/^\[(.*)\]$/, '$1'),
    port: input.port,
    protocol: input.protocol ?? protocol,
    tls: {
      mode: 'none',
      serverName: null,
      caCertificateIds: [],
      clientCertificateId: null,
      rejectUnauthorized: true,
      ...input.tls,
    },
    proxy: input.proxy ?? null,
    connectTimeoutSeconds: input.connectTimeoutSeconds ?? 30,
    idleTimeoutSeconds: input.idleTimeoutSeconds ?? 0,
    compress: input.compress ?? false,
  };
}

function frontForm(
  input: NonNullable<DestinationInput['front']>,
  protocol: StreamProtocol,
): DestinationForm['front'] {
  return {
    protocol,
    host: input.host ?? null,
    port: input.port ?? null,
    tls: { mode: 'none', certificateId: null, clientCaIds: [], ...input.tls },
    proxyProtocol: input.proxyProtocol ?? 'off',
  };
}

function findFault({ name, resource, front }: DestinationForm): { path: string; message: string } | null {
  if (dnsLabel(name) === '') {
    return {
      path: '/name',
      message: 'must have a letter or digit (a-z, 0-9), since the default host is made of it',
    };
  }
  if (!isHost(resource.host)) return { path: '/resource/host', message: 'is no address and no host name' };
  if (front.host !== null && !isHost(front.host)) {
    return { path: '/front/host', message: 'is no address and no host name' };
  }
  if (resource.protocol !== front.protocol) {
    return { path: '/resource/protocol', message: `must be that of the front, "${front.protocol}"` };
  }
  return null;
}

/** The first field whose value this version does not serve. Later versions take lines away here. */
function findUnserved(
  form: DestinationForm,
  clientPort: number | undefined,
): [path: string, value: unknown] | null {
  const { kind, resource, front, health } = form;
  const served: [path: string, value: unknown, isServed: boolean][] = [
    ['/kind', kind, kind === 'on-premises'],
    ['/clientPort', clientPort, clientPort === undefined],
    ['/front/protocol', front.protocol, front.protocol === 'tcp'],
    ['/front/tls/mode', front.tls.mode, front.tls.mode === 'none'],
    ['/front/tls/certificateId', front.tls.certificateId, front.tls.certificateId === null],
    ['/front/tls/clientCaIds', front.tls.clientCaIds, front.tls.clientCaIds.length === 0],
    ['/front/proxyProtocol', front.proxyProtocol, front.proxyProtocol === 'off'],
    ['/resource/tls/mode', resource.tls.mode, resource.tls.mode === 'none'],
    ['/resource/tls/serverName', resource.tls.serverName, resource.tls.serverName === null],
    [
      '/resource/tls/caCertificateIds',
      resource.tls.caCertificateIds,
      resource.tls.caCertificateIds.length === 0,
    ],
    [
      '/resource/tls/clientCertificateId',
      resource.tls.clientCertificateId,
      resource.tls.clientCertificateId === null,
    ],
    ['/resource/proxy', resource.proxy, resource.proxy === null],
    ['/resource/compress', resource.compress, !resource.compress],
    ['/health/kind', health.kind, health.kind === 'none'],
  ];
  const [path, value] = served.find(([, , isServed]) => !isServed) ?? [];
  return path === undefined ? null : [path, value];
}
