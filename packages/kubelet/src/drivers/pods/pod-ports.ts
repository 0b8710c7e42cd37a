// What pod workers need of the node: one record of ports, made by kubelet.ts.
import type { Clock, Logger, Random } from "@lenj/base";
import type { corev1 } from "@lenj/proto/k8s";
import type { DNSSettings } from "../../core/network/resolv-conf.js";
import type { CgroupTree } from "../cgroup/cgroup-tree.js";
import type { CRIClient } from "../cri/cri-client.js";
import type { PodObserver } from "../cri/pod-observer.js";
import type { ImagePuller } from "../images/image-puller.js";
import type { ObjectSource } from "../objects/object-source.js";
import type { TokenSource } from "../objects/token-source.js";
import type { ProbeSet } from "../probes/probe-set.js";
import type { PodVolumes } from "../volumes/pod-volumes.js";
import type { PodEvents } from "./pod-events.js";
import type { StatusReporter } from "./status-reporter.js";

export interface PodSettings {
  readonly nodeName: string;
  /** Addresses of the node, primary first. */
  readonly nodeIPs: readonly string[];
  readonly clusterDNS: readonly string[];
  readonly clusterDomain: string;
  /** Root of the pods' log folders. */
  readonly podLogRoot: string;
  /** Folder of links to the logs by container, as log collectors look for them. */
  readonly containerLogRoot: string;
  readonly podPidsMax: number | undefined;
  readonly memoryCapacityBytes: number;
  readonly allocatable: Readonly<Record<string, string>>;
  /** Pods are looked at this often even when nothing happened. */
  readonly syncIntervalMs: number;
  readonly hasCgroups: boolean;
}

export interface PodPorts {
  readonly cri: CRIClient;
  readonly observer: PodObserver;
  readonly volumes: PodVolumes;
  readonly images: ImagePuller;
  readonly probes: ProbeSet;
  readonly objects: ObjectSource;
  readonly tokens: TokenSource;
  readonly cgroups: CgroupTree;
  readonly events: PodEvents;
  readonly reporter: StatusReporter;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: PodSettings;
  /** "containerd", "lenj": scheme of container IDs. */
  readonly runtimeName: () => string;
  readonly nodeDNS: () => DNSSettings;
  readonly services: () => readonly corev1.Service[];
  /** Why pods cannot have a network now; undefined: they can. */
  readonly networkProblem: () => string | undefined;
  /** Runtime handler of a RuntimeClass; undefined: no such class. */
  readonly runtimeHandler: (className: string | undefined) => string | undefined;
}
