// The kubelet, assembled: ports to drivers to workers. Started by main.ts, and by tests with a client of their own.
//
// Owns:  everything it makes; close() ends it in reverse order and leaves all containers running.
import { mkdir, readFile } from "node:fs/promises";
import type { Clock, Logger, Random } from "@lenj/base";
import { delay, TaskGroup } from "@lenj/base";
import { type ApiClient, EventSink, type Informer, InformerFactory, resources } from "@lenj/client";
import type { corev1, nodev1 } from "@lenj/proto/k8s";
import type { KubeletConfig } from "./config.js";
import { type DNSSettings, parseResolvConf } from "./core/network/resolv-conf.js";
import { allocatable, allocatableAmounts, type NodeFacts, type NodeHealth } from "./core/node/node-status.js";
import { isMirrorPod, isStaticPod, podUID } from "./core/pod/identity.js";
import { CgroupTree } from "./drivers/cgroup/cgroup-tree.js";
import { CRIClient } from "./drivers/cri/cri-client.js";
import { PodObserver } from "./drivers/cri/pod-observer.js";
import { ImagePuller } from "./drivers/images/image-puller.js";
import { rotateLogsLoop } from "./drivers/logs/log-rotation.js";
import { readCapacity, readStorageBytes, readSystemInfo } from "./drivers/node/machine.js";
import { NodeReporter } from "./drivers/node/node-reporter.js";
import { RuntimeHealth } from "./drivers/node/runtime-health.js";
import { ObjectSource } from "./drivers/objects/object-source.js";
import { TokenSource } from "./drivers/objects/token-source.js";
import { PodEvents } from "./drivers/pods/pod-events.js";
import type { PodPorts } from "./drivers/pods/pod-ports.js";
import { PodWorkers } from "./drivers/pods/pod-workers.js";
import { StaticPods } from "./drivers/pods/static-pods.js";
import { StatusReporter } from "./drivers/pods/status-reporter.js";
import { ProbeSet } from "./drivers/probes/probe-set.js";
import { probeSubject } from "./drivers/probes/probe-subject.js";
import { PodVolumes } from "./drivers/volumes/pod-volumes.js";

export const kubeletVersion = "v1.35.0";

export interface KubeletDependencies {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const housekeepIntervalMs = 2_000;
const imagesIntervalMs = 30_000;

export class Kubelet {
  readonly #tasks = new TaskGroup();
  readonly #informers: InformerFactory;
  readonly #events: EventSink;
  #facts!: NodeFacts;
  #images: readonly corev1.ContainerImage[] = [];
  #nodeDNS: DNSSettings = { servers: [], searches: [], options: [] };
  #podCIDR = "";
  #services: Informer<corev1.Service> | undefined;
  #closed: Promise<void> | undefined;
  readonly cri: CRIClient;
  readonly observer: PodObserver;
  readonly health: RuntimeHealth;
  #workers!: PodWorkers;
  #probes!: ProbeSet;
  #reporter!: StatusReporter;
  #statics!: StaticPods;
  #nodeReporter!: NodeReporter;

  private constructor(
    readonly config: KubeletConfig,
    readonly dependencies: KubeletDependencies,
  ) {
    const { clock, logger, client, random } = dependencies;
    this.cri = new CRIClient(config.containerRuntimeEndpoint);
    this.observer = new PodObserver({ cri: this.cri, clock, logger, onChange: (uid) => this.#workers.wake(uid) });
    this.health = new RuntimeHealth({ cri: this.cri, observer: this.observer, clock, logger, onChange: () => this.#onRuntimeHealth() });
    this.#informers = new InformerFactory({ client, clock, random, logger });
    this.#events = new EventSink({ client, clock, random, logger });
  }

  /** Starts everything. Resolves before the node is ready: readiness is reported as it comes. */
  static async start(config: KubeletConfig, dependencies: KubeletDependencies): Promise<Kubelet> {
    const kubelet = new Kubelet(config, dependencies);
    try {
      await kubelet.#start();
    } catch (error) {
      await kubelet.close();
      throw error;
    }
    return kubelet;
  }

  /** Resolves when a background loop failed by a bug. */
  get failed(): Promise<Error> {
    return Promise.race([this.#tasks.failed, this.#informers.failed]);
  }

  get workers(): PodWorkers {
    return this.#workers;
  }

  get probes(): ProbeSet {
    return this.#probes;
  }

  get facts(): NodeFacts {
    return this.#facts;
  }

  /** The pods this node is to run, with the newest status known here. */
  pods(): corev1.Pod[] {
    return this.#workers.all().map((worker) => ({ ...worker.pod, status: this.#reporter.get(worker.uid) ?? worker.pod.status ?? {} }));
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.#tasks.close();
      await this.#informers.close();
      this.#probes?.close();
      await this.#workers?.close();
      await this.#reporter?.close();
      await this.#events.close();
      this.cri.close();
    })();
    return this.#closed;
  }

  async #start(): Promise<void> {
    const { config } = this;
    const { clock, logger, client } = this.dependencies;
    for (const folder of [config.rootDirectory, `${config.rootDirectory}/pods`, config.podLogRoot, config.containerLogRoot])
      await mkdir(folder, { recursive: true, mode: 0o750 });
    this.#facts = await this.#readFacts();
    this.#nodeDNS = parseResolvConf(await readFile(config.resolvConf, "utf8").catch(() => ""));
    const cgroups = await CgroupTree.open(logger);
    const hasCgroups = config.cgroupsPerQOS && cgroups.isWritable;
    if (hasCgroups) {
      const amounts = allocatableAmounts(this.#facts);
      await cgroups.prepareRoot({ milliCPU: amounts["cpu"] ?? 0, memoryBytes: amounts["memory"] ?? 0 });
    } else logger.warn("Pods run without resource limits: no cgroup is writable");

    const recorder = this.#events.recorder("kubelet", config.nodeName);
    this.#statics = new StaticPods({
      path: config.podManifestPath,
      intervalMs: config.fileCheckMs,
      nodeName: config.nodeName,
      clock,
      logger,
      client,
      nodeUID: () => this.#nodeReporter.node?.metadata?.uid,
      onPod: (pod) => this.#workers.onPod(pod),
      onGone: (uid) => this.#workers.onGone(uid),
    });
    const pods = this.#informers.informer<corev1.Pod>(resources.pods, { fieldSelector: `spec.nodeName=${config.nodeName}` });
    this.#reporter = new StatusReporter({
      client,
      clock,
      logger,
      lookup: (pod) => this.#lookup(pod, pods.lister.get(pod.metadata?.namespace, pod.metadata?.name ?? "")),
    });
    this.#nodeReporter = this.#makeNodeReporter(recorder);
    const ports = this.#makePorts(cgroups, hasCgroups, new PodEvents(recorder, (pod) => this.#statics.mirrorOf(pod)?.metadata?.uid));
    this.#workers = new PodWorkers(ports, () => ({
      node: this.#nodeReporter.node ?? { metadata: { name: config.nodeName } },
      allocatable: allocatableAmounts(this.#facts),
      maxPods: config.maxPods,
      memoryPressure: false,
      diskPressure: false,
    }));
    await this.health.check();
    await this.observer
      .relist()
      .catch((error: unknown) => logger.warn("The runtime does not answer yet", { error: (error as Error).message }));
    this.health.start(this.#tasks);
    this.observer.start(this.#tasks);
    this.#watch(pods);
    this.#nodeReporter.start(this.#tasks);
    this.#tasks.run("log rotation", (signal) =>
      rotateLogsLoop(
        {
          clock,
          logger,
          containers: () => this.observer.all().flatMap((pod) => pod.containers),
          reopen: (id, signal) => this.cri.reopenContainerLog(id, { signal }),
          ...config.logRotation,
        },
        signal,
      ),
    );
    this.#tasks.run("images", (signal) => this.#imageLoop(signal));
    logger.info("Kubelet started", { node: config.nodeName, runtime: this.health.nodeVersion });
  }

  #watch(pods: Informer<corev1.Pod>): void {
    const { clock, logger } = this.dependencies;
    const nodes = this.#informers.informer<corev1.Node>(resources.nodes, { fieldSelector: `metadata.name=${this.config.nodeName}` });
    nodes.addHandler({
      onAdd: (node) => this.#onNode(node),
      onUpdate: (_, node) => this.#onNode(node),
      onDelete: () => this.#nodeReporter.onNode(undefined),
    });
    this.#informers.start();
    this.#tasks.run("pod source", async (signal) => {
      await pods.whenSynced(signal);
      await nodes.whenSynced(signal);
      // The first containers are to find their service variables.
      await this.#services?.whenSynced(signal);
      // What runs here must be known before pods are judged (admission, leftovers).
      while (this.observer.lastListMs === undefined) await delay(clock, 100, signal);
      pods.addHandler({
        onAdd: (pod) => this.#onPod(pod),
        onUpdate: (_, pod) => this.#onPod(pod),
        onDelete: (pod) => this.#onPodGone(pod),
      });
      this.#statics.start(this.#tasks);
      while (!signal.aborted) {
        if (this.#statics.hasSynced)
          await this.#workers
            .housekeep(signal)
            .catch((error: unknown) => logger.warn("Housekeeping failed", { error: (error as Error).message }));
        await delay(clock, housekeepIntervalMs, signal).catch(() => undefined);
      }
    });
  }

  #onPod(pod: corev1.Pod): void {
    if (isMirrorPod(pod)) {
      this.#statics.onMirror(pod);
      return;
    }
    this.#reporter.onPod(pod);
    this.#workers.onPod(pod);
  }

  #onPodGone(pod: corev1.Pod): void {
    if (isMirrorPod(pod)) this.#statics.onMirrorGone(pod);
    else this.#workers.onGone(podUID(pod));
  }

  #onNode(node: corev1.Node): void {
    this.#nodeReporter.onNode(node);
    const podCIDR = node.spec?.podCIDRs?.[0] ?? node.spec?.podCIDR ?? "";
    if (podCIDR === this.#podCIDR || podCIDR === "") return;
    this.#podCIDR = podCIDR;
    this.#tellPodCIDR();
  }

  // A runtime that restarted may have to be told again.
  #onRuntimeHealth(): void {
    if (this.#podCIDR !== "") this.#tellPodCIDR();
    this.#nodeReporter?.wake();
    for (const worker of this.#workers?.all() ?? []) worker.wake();
  }

  #tellPodCIDR(): void {
    const { logger } = this.dependencies;
    const podCIDRs = this.#nodeReporter.node?.spec?.podCIDRs ?? [this.#podCIDR];
    this.#tasks.run("pod CIDR", async (signal) => {
      try {
        await this.cri.updateRuntimeConfig(podCIDRs.join(","), { signal });
        logger.info("Told the runtime its pod range", { podCIDR: this.#podCIDR });
        await this.health.check(signal);
      } catch (error) {
        if (!signal.aborted) logger.warn("Telling the runtime its pod range failed", { error: (error as Error).message });
      }
    });
  }

  #lookup(pod: corev1.Pod, seen: corev1.Pod | undefined): corev1.Pod | undefined {
    if (isStaticPod(pod)) return this.#statics.mirrorOf(pod);
    return seen?.metadata?.uid === pod.metadata?.uid ? seen : undefined;
  }

  #makePorts(cgroups: CgroupTree, hasCgroups: boolean, events: PodEvents): PodPorts {
    const { config, cri, observer } = this;
    const { clock, logger, client, random } = this.dependencies;
    const objects = new ObjectSource(client, clock);
    const tokens = new TokenSource({ client, clock, random });
    const services = this.#informers.informer<corev1.Service>(resources.services);
    this.#services = services;
    const classes = this.#informers.informer<nodev1.RuntimeClass>(resources.runtimeClasses);
    this.#probes = new ProbeSet({
      cri,
      clock,
      random,
      logger,
      subject: (uid, name, kind) =>
        probeSubject({
          pod: this.#workers.get(uid)?.pod,
          stage: this.#workers.get(uid)?.stage,
          runtime: observer.get(uid),
          probes: this.#probes,
          uid,
          name,
          kind,
        }),
      podIP: (uid) =>
        (this.#workers.get(uid)?.pod.spec?.hostNetwork === true ? config.nodeIPs[0] : observer.get(uid)?.sandboxes[0]?.ips[0]) ?? "",
      onChange: (uid) => this.#workers.wake(uid),
      onUnhealthy: (uid, name, message) => {
        const pod = this.#workers.get(uid)?.pod;
        if (pod !== undefined)
          events.record(pod, "Warning", message.includes(" probe warning: ") ? "ProbeWarning" : "Unhealthy", message, name);
      },
    });
    return {
      cri,
      observer,
      volumes: new PodVolumes({ rootDirectory: config.rootDirectory, objects, tokens }),
      images: new ImagePuller({ cri, clock, random, objects, serialize: config.serializeImagePulls }),
      probes: this.#probes,
      objects,
      tokens,
      cgroups,
      events,
      reporter: this.#reporter,
      clock,
      random,
      logger,
      settings: {
        nodeName: config.nodeName,
        nodeIPs: config.nodeIPs,
        clusterDNS: config.clusterDNS,
        clusterDomain: config.clusterDomain,
        podLogRoot: config.podLogRoot,
        containerLogRoot: config.containerLogRoot,
        podPidsMax: config.podPidsMax,
        memoryCapacityBytes: this.#facts.memoryBytes,
        allocatable: allocatable(this.#facts),
        syncIntervalMs: config.syncMs,
        hasCgroups,
      },
      runtimeName: () => this.health.name,
      nodeDNS: () => this.#nodeDNS,
      services: () => services.lister.list(),
      networkProblem: () => this.health.networkProblem,
      runtimeHandler: (name) => (name === undefined || name === "" ? "" : classes.lister.get(undefined, name)?.handler),
    };
  }

  #makeNodeReporter(recorder: ReturnType<EventSink["recorder"]>): NodeReporter {
    const { config } = this;
    const { clock, logger, client } = this.dependencies;
    return new NodeReporter({
      client,
      clock,
      logger,
      recorder,
      nodeName: config.nodeName,
      facts: () => ({ ...this.#facts, containerRuntimeVersion: this.health.nodeVersion }),
      health: () => Promise.resolve(this.#nodeHealth()),
      labels: config.nodeLabels,
      taints: config.taints,
      unschedulable: !config.registerSchedulable,
      registerNode: config.registerNode,
      statusIntervalMs: config.nodeStatusUpdateMs,
      statusReportMs: config.nodeStatusReportMs,
      leaseSeconds: config.nodeLeaseSeconds,
    });
  }

  #nodeHealth(): NodeHealth {
    return {
      notReady: this.health.problems(),
      memoryPressure: false,
      diskPressure: false,
      pidPressure: false,
      images: this.#images,
      runtimeHandlers: this.health.handlers,
    };
  }

  async #readFacts(): Promise<NodeFacts> {
    const { config } = this;
    const capacity = await readCapacity();
    return {
      hostname: config.nodeName,
      addresses: config.nodeIPs,
      ...capacity,
      storageBytes: await readStorageBytes(config.rootDirectory),
      maxPods: config.maxPods,
      reserved: config.reserved,
      system: await readSystemInfo(),
      containerRuntimeVersion: this.health.nodeVersion,
      kubeletVersion,
      port: config.port,
    };
  }

  async #imageLoop(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.dependencies;
    while (!signal.aborted) {
      try {
        const images = await this.cri.listImages({ signal });
        this.#images = images.map((image) => ({ names: [...image.repoDigests, ...image.repoTags], sizeBytes: Number(image.size) }));
      } catch (error) {
        if (!signal.aborted) logger.debug("Listing images failed", { error: (error as Error).message });
      }
      await delay(clock, imagesIntervalMs, signal).catch(() => undefined);
    }
  }
}
