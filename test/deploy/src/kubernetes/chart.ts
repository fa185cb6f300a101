/** The charts, and the sets of values that each check goes through. */
import { fileURLToPath } from 'node:url';

/** Where the charts are. */
export const chartFolder = fileURLToPath(new URL('../../../../deploy/helm', import.meta.url));

/** A chart with values. */
export interface ChartCase {
  readonly chart: 'postern' | 'postern-client';
  readonly set: readonly string[];
}

const client = ['gatewayIds={abc}', 'connect=https://gateway.example'];

/** What is tried of the charts. */
export const chartCases: readonly ChartCase[] = [
  { chart: 'postern', set: [] },
  { chart: 'postern', set: ['secrets.create=true', 'service.loadBalancerIP=203.0.113.10'] },
  { chart: 'postern', set: ['edge.autoscaling.enabled=true', 'edge.autoscaling.connections=true'] },
  { chart: 'postern', set: ['service.type=NodePort', 'networkPolicy.enabled=false'] },
  {
    chart: 'postern',
    set: ['monitoring.serviceMonitor=true', 'monitoring.prometheusRule=true', 'monitoring.dashboards=true'],
  },
  { chart: 'postern', set: ['telemetry.endpoint=http://collector.observe:4317'] },
  {
    chart: 'postern',
    set: [
      'env.POSTERN_LOG_LEVEL=debug',
      'certstore.env.POSTERN_CERTSTORE_KEY_ENCRYPTION_KEY_FILE=',
      'networkPolicy.egress[0].ports[0].port=8200',
    ],
  },
  { chart: 'postern-client', set: client },
  {
    chart: 'postern-client',
    set: [...client, 'cloudPorts={5432,8080}', 'env.POSTERN_CLIENT_TRANSPORT=direct'],
  },
  { chart: 'postern-client', set: [...client, 'telemetry.endpoint=http://collector:4318'] },
  {
    chart: 'postern-client',
    set: [...client, 'accessList=acl allow a:1', 'hosts.erp=10.0.0.5', 'privateCa=true'],
  },
];

/** How a test names it. */
export function nameOf({ chart, set }: ChartCase): string {
  return `${chart} with ${set.join(' ') || 'its defaults'}`;
}

/** Its values as helm's arguments. */
export function setArguments(set: readonly string[]): string[] {
  return set.flatMap((one) => ['--set', one]);
}
