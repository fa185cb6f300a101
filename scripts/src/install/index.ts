export { type ImageTools, imageTools } from './buildx.ts';
export { cacheFolder } from './cache.ts';
export { collectorBinary } from './collector.ts';
export { findCommand, requireCommand, runCommand } from './command.ts';
export { hadolintBinary } from './hadolint.ts';
export { h2specBinary } from './h2spec.ts';
export { hasTool, secantusLaunch, tool, type Launch, type ToolName } from './tool.ts';
export { kubernetesTools, type KubernetesTools } from './kubernetes.ts';
export { clusterTools, type ClusterTools } from './kubernetes-cluster.ts';
