/** What a node's programs read: containerd, the pods' network, kubelet, kube-proxy. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where a node's programs and files are; `node.json` in its folder. */
export interface NodeFiles {
  readonly programs: Readonly<Record<'containerd' | 'ctr' | 'kubelet' | 'kube-proxy', string>>;
  /** Where containerd listens. */
  readonly socket: string;
  /** An archive of images. */
  readonly images: string;
  readonly containerd: string;
  /** Arguments. */
  readonly kubelet: readonly string[];
  readonly proxy: readonly string[];
  /** What the kubelet would otherwise set for the whole machine. */
  readonly kernelSettings: Readonly<Record<string, number>>;
}

/** What differs from node to node and from run to run. */
export interface NodePlace {
  readonly folder: string;
  readonly name: string;
  readonly address: string;
  /** The parent of all its control groups, `/NAME`. */
  readonly controlGroup: string;
  readonly podNet: string;
  readonly dnsServer: string;
  readonly pauseImage: string;
  readonly kubeconfigs: Readonly<Record<'node' | 'kube-proxy', string>>;
}

/** Writes all of them. */
export function writeNodeFiles(place: NodePlace, given: Pick<NodeFiles, 'programs' | 'images'>): void {
  const { folder, name, address, kubeconfigs } = place;
  const socket = join(folder, 'containerd.sock');
  const write = (file: string, content: unknown): string => {
    const path = join(folder, file);
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content, null, 1));
    return path;
  };
  mkdirSync(join(folder, 'network'), { recursive: true });
  write('network/10-pods.conflist', podNetwork(place));
  const files: NodeFiles = {
    ...given,
    socket,
    containerd: write('containerd.toml', containerdSettings(place, socket)),
    kubelet: [
      `--config=${write('kubelet.json', kubeletSettings(place, socket))}`,
      `--kubeconfig=${kubeconfigs.node}`,
      `--hostname-override=${name}`,
      `--node-ip=${address}`,
    ],
    proxy: [`--config=${write('kube-proxy.json', proxySettings(place))}`, `--hostname-override=${name}`],
    kernelSettings: { 'vm/overcommit_memory': 1, 'kernel/panic': 10, 'kernel/panic_on_oops': 1 },
  };
  write('node.json', files);
}

/** Each pod has a line of its own to the node, so that whatever goes from pod to pod passes the node's rules. */
function podNetwork({ podNet, folder }: NodePlace): object {
  const addresses = {
    type: 'host-local',
    ranges: [[{ subnet: podNet }]],
    routes: [{ dst: '0.0.0.0/0' }],
    dataDir: join(folder, 'addresses'),
  };
  return { cniVersion: '1.0.0', name: 'pods', plugins: [{ type: 'ptp', ipMasq: true, ipam: addresses }] };
}

function containerdSettings({ folder, pauseImage }: NodePlace, socket: string): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return [
    'version = 2',
    `root = "${folder}/containerd"`,
    'state = "/run/containerd-state"',
    `[grpc]\naddress = "${socket}"`,
    `[plugins."io.containerd.internal.v1.opt"]\npath = "${folder}/opt"`,
    `[${cri}]\nrestrict_oom_score_adj = true\nsandbox_image = "${pauseImage}"`,
    `[${cri}.cni]\nbin_dir = "/usr/lib/cni"\nconf_dir = "${folder}/network"`,
    `[${cri}.containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"`,
    `[${cri}.containerd.runtimes.runc.options]\nSystemdCgroup = false`,
    '',
  ].join('\n');
}

function kubeletSettings({ controlGroup, dnsServer }: NodePlace, socket: string): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    // Nobody but this test can reach it.
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: 'AlwaysAllow' },
    cgroupDriver: 'cgroupfs',
    cgroupRoot: controlGroup,
    failCgroupV1: false,
    failSwapOn: false,
    protectKernelDefaults: true,
    containerRuntimeEndpoint: `unix://${socket}`,
    clusterDNS: [dnsServer],
    clusterDomain: 'cluster.local',
    resolvConf: '',
    volumePluginDir: '/var/lib/kubelet/volume-plugins',
    readOnlyPort: 0,
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    imageGCHighThresholdPercent: 99,
    localStorageCapacityIsolation: false,
  };
}

function proxySettings({ kubeconfigs }: NodePlace): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    clientConnection: { kubeconfig: kubeconfigs['kube-proxy'] },
    clusterCIDR: '10.244.0.0/16',
    mode: 'iptables',
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  };
}
