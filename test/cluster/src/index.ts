/**
 * What system tests, chaos and bench are made of. Everything is `AsyncDisposable`, so a test reads
 *
 *     await using resource = await startPostgresql();
 *     await using platform = await bootCluster({ nodes: 2 });        // or bootStandalone(), bootInProcess()
 *     await using site = await startSite(platform, { resources: { db: resource } });
 *     site.front('db', 1)                                            // { host, port } of the front on node 1
 *
 * platforms   bootCluster (real processes, real NATS and documents), bootStandalone (one process), bootInProcess
 * sites       startSite: gateway, token, access list, destinations and a connected client; startClient alone
 * resources   startPostgresql, startRedis, startNginx, startHaproxy, startSshd, startDns, startRsyslog, startLogRouter, startEcho,
 *             startExchangeServer, startTcp
 * between     CuttableProxy (cut, black hole, delay, refuse), startInterceptingProxy (TLS), startSquid (CONNECT), startMicrosocks (SOCKS)
 * traffic     exchange: bytes both ways at once with every byte checked; pattern, patternHash
 * processes   Part: ready by its own word, killed and started again by pid, gone when the test process is gone
 *
 * Settings of the one who runs them, all optional: POSTERN_TEST_MONGODB_URL (a real MongoDB in place of the server
 * that is installed), POSTERN_TEST_KEEP (temporary folders stay).
 */
export {
  AdminClient,
  AdminError,
  type DestinationTest,
  type ShownDestination,
} from './admin/admin-client.ts';
export { type JsonAnswer, JsonHttp } from './admin/request.ts';
export { ClientProcess, type ClientProcessOptions, startClient } from './client/client-process.ts';
export { type LoopbackNet, takeLoopbackNet } from './network/loopback-net.ts';
export { Cluster, type ClusterOptions, type ProcessEntry, bootCluster } from './platform/cluster.ts';
export { bootInProcess } from './platform/in-process.ts';
export type { Platform } from './platform/platform.ts';
export { type StandaloneProcess, bootStandalone } from './platform/standalone-process.ts';
export { ownPort } from './platform/layout.ts';
export { upgradeOf } from './platform/upgrade.ts';
export { type Exit, Part, startPart } from './process/part.ts';
export { makeScratch, removeScratch } from './process/scratch.ts';
export { CuttableProxy, type ProxiedConnection, type Target } from './proxy/cuttable-proxy.ts';
export { startInterceptingProxy } from './proxy/intercepting-proxy.ts';
export { startDns } from './server/dns.ts';
export { startEcho } from './server/echo.ts';
export { startTcp } from './server/tcp.ts';
export { startHaproxy } from './server/haproxy.ts';
export { type DocumentServer, startMongodb, startMongodbResource } from './server/mongodb.ts';
export { type NatsServer, startNats } from './server/nats.ts';
export { startOtelCollector } from './server/otel-collector.ts';
export { startMicrosocks } from './server/microsocks.ts';
export { startNginx } from './server/nginx.ts';
export { type ServerPair, startPostgresql } from './server/postgresql.ts';
export { startRedis } from './server/redis.ts';
export { type Collector, startLogRouter, startRsyslog } from './server/rsyslog.ts';
export type { ProcessResource, Resource } from './server/resource.ts';
export { startSquid } from './server/squid.ts';
export { type SshServer, startSshProxy, startSshd } from './server/sshd.ts';
export { type Endpoint, Site, frontAt, startSite, untilServed } from './site/site.ts';
export {
  type Exchange,
  type ExchangeResult,
  type ExchangeServer,
  exchange,
  startExchangeServer,
} from './traffic/exchange.ts';
export { httpExchange, startHttpExchangeServer } from './traffic/http-exchange.ts';
export { Probe, startProbe } from './traffic/probe.ts';
export { pattern, patternBuffer, patternHash } from './traffic/pattern.ts';
