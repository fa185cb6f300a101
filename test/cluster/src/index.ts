export { CuttableProxy, type Target } from './proxy/cuttable-proxy.ts';
export { freePort } from './network/port.ts';
export { type LoopbackNet, takeLoopbackNet } from './network/loopback-net.ts';
export { makeScratch, removeScratch } from './process/scratch.ts';
export { type Exit, Part, type PartOptions, startPart } from './process/part.ts';
export { type DocumentServer, startMongodb } from './server/mongodb.ts';
export { type NatsServer, startNats } from './server/nats.ts';
export { startEcho } from './server/echo.ts';
export { startNginx } from './server/nginx.ts';
export { startPostgresql } from './server/postgresql.ts';
export { startRedis } from './server/redis.ts';
export type { ProcessResource, Resource } from './server/resource.ts';
export { type ProxyServer, startSquid } from './server/squid.ts';
export { type SshServer, startSshd } from './server/sshd.ts';
export {
  type Exchange,
  type ExchangeResult,
  type ExchangeServer,
  exchange,
  startExchangeServer,
} from './traffic/exchange.ts';
export { pattern, patternBuffer, patternHash } from './traffic/pattern.ts';
export { AdminClient, AdminError, type ShownDestination } from './admin/admin-client.ts';
export { type JsonAnswer, JsonHttp } from './admin/request.ts';
export { ClientProcess, type ClientProcessOptions, startClient } from './client/client-process.ts';
export { Cluster, type ClusterOptions, type ProcessEntry, bootCluster } from './platform/cluster.ts';
export type { Platform } from './platform/platform.ts';
export { type Endpoint, Site, type SiteOptions, frontAt, startSite, untilServed } from './site/site.ts';
export { type InterceptingProxy, startInterceptingProxy } from './proxy/intercepting-proxy.ts';
export { type InProcessOptions, bootInProcess } from './platform/in-process.ts';
export {
  type StandaloneOptions,
  type StandaloneProcess,
  bootStandalone,
} from './platform/standalone-process.ts';
