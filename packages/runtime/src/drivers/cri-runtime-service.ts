// The CRI RuntimeService on top of the runtime.
import { status as grpcStatus, type ServerWritableStream } from "@grpc/grpc-js";
import {
  CgroupDriver,
  type ContainerEventResponse,
  ContainerEventType,
  type ContainerFilter,
  type ExecSyncRequest,
  type ExecSyncResponse,
  type GetEventsRequest,
  type RuntimeServiceServer,
  type StatusResponse,
} from "@lenj/proto/cri";
import { RuntimeError } from "../core/errors.js";
import { exitCodeOf } from "../core/launch/reports.js";
import type { ContainerRecord } from "../core/records.js";
import { describeExecError } from "./containers.js";
import { unary } from "./cri-handlers.js";
import {
  containerState,
  describeContainer,
  describeContainerStatus,
  describeSandbox,
  describeSandboxStatus,
  sandboxState,
} from "./cri-messages.js";
import type { ContainerEvent } from "./environment.js";
import { type ForegroundProgram, LaunchError } from "./launcher.js";
import type { Runtime } from "./runtime.js";
import { Stats } from "./stats.js";
import type { StreamingServer } from "./streaming/streaming-server.js";

export const runtimeName = "lenj";
export const runtimeVersion = "0.1.0";
/** What one stream of ExecSync may answer. Upstream: containerd's defaultDrainExecIOTimeout sibling, 16 MiB. */
const execOutputBytesMax = 16 * 1024 * 1024;
const eventBacklogMax = 1_000;
const eventTypes = {
  created: ContainerEventType.CONTAINER_CREATED_EVENT,
  started: ContainerEventType.CONTAINER_STARTED_EVENT,
  stopped: ContainerEventType.CONTAINER_STOPPED_EVENT,
  deleted: ContainerEventType.CONTAINER_DELETED_EVENT,
} as const;

export function createRuntimeService(runtime: Runtime, streaming: StreamingServer): RuntimeServiceServer {
  const { logger } = runtime.environment;
  const stats = new Stats(runtime);
  const wrap = <Request, Response>(name: string, handle: (request: Request, signal: AbortSignal) => Promise<Response> | Response) =>
    unary<Request, Response>(logger, name, handle);
  return {
    version: wrap("Version", () => ({ version: "0.1.0", runtimeName, runtimeVersion, runtimeApiVersion: "v1" })),
    status: wrap("Status", (request) => describeRuntime(runtime, request.verbose)),
    runtimeConfig: wrap("RuntimeConfig", () => ({ linux: { cgroupDriver: CgroupDriver.CGROUPFS } })),
    updateRuntimeConfig: wrap("UpdateRuntimeConfig", (request) => {
      const cidr = request.runtimeConfig?.networkConfig?.podCidr ?? "";
      if (cidr !== "") runtime.setPodCIDR(cidr);
      return {};
    }),

    runPodSandbox: wrap("RunPodSandbox", async (request) => {
      if (request.config === undefined) throw new RuntimeError("INVALID_ARGUMENT", "sandbox config must be set");
      if (request.runtimeHandler !== "" && request.runtimeHandler !== runtimeName)
        throw new RuntimeError("UNKNOWN", `failed to get sandbox runtime: no runtime for "${request.runtimeHandler}" is configured`);
      return { podSandboxId: await runtime.sandboxes.run(request.config, request.runtimeHandler) };
    }),
    stopPodSandbox: wrap("StopPodSandbox", async (request) => {
      await runtime.stopSandbox(request.podSandboxId);
      return {};
    }),
    removePodSandbox: wrap("RemovePodSandbox", async (request) => {
      await runtime.removeSandbox(request.podSandboxId);
      return {};
    }),
    podSandboxStatus: wrap("PodSandboxStatus", (request) => {
      const record = runtime.getSandbox(request.podSandboxId);
      const info: Record<string, string> = request.verbose
        ? {
            info: JSON.stringify({
              pid: record.state.name === "ready" ? record.state.pid : 0,
              cgroupPath: record.cgroupPath,
              runtimeHandler: record.runtimeHandler,
            }),
          }
        : {};
      return {
        status: describeSandboxStatus(record),
        info,
        containersStatuses: runtime.containers.inSandbox(record.id).map(describeContainerStatus),
        timestamp: BigInt(Date.now()) * 1_000_000n,
      };
    }),
    listPodSandbox: wrap("ListPodSandbox", ({ filter }) => ({
      items: [...runtime.sandboxes.records.values()]
        .filter(
          (record) =>
            matchesID(record.id, filter?.id) &&
            (filter?.state === undefined || filter.state.state === sandboxState(record)) &&
            matchesLabels(record.config.labels, filter?.labelSelector),
        )
        .map(describeSandbox),
    })),
    updatePodSandboxResources: wrap("UpdatePodSandboxResources", (request) => {
      runtime.getSandbox(request.podSandboxId);
      return {};
    }),

    createContainer: wrap("CreateContainer", async (request) => {
      if (request.config === undefined) throw new RuntimeError("INVALID_ARGUMENT", "container config must be set");
      return { containerId: await runtime.containers.create(runtime.getSandbox(request.podSandboxId), request.config) };
    }),
    startContainer: wrap("StartContainer", async (request) => {
      const record = runtime.containers.get(request.containerId);
      await runtime.containers.start(record.id, runtime.getSandbox(record.sandboxID));
      return {};
    }),
    stopContainer: wrap("StopContainer", async (request) => {
      if (isKnown(runtime, request.containerId)) await runtime.containers.stop(request.containerId, Number(request.timeout) * 1_000);
      return {};
    }),
    removeContainer: wrap("RemoveContainer", async (request) => {
      await runtime.removeContainer(request.containerId);
      return {};
    }),
    listContainers: wrap("ListContainers", ({ filter }) => ({ containers: selectContainers(runtime, filter).map(describeContainer) })),
    containerStatus: wrap("ContainerStatus", (request) => {
      const record = runtime.containers.get(request.containerId);
      const info: Record<string, string> = request.verbose
        ? {
            info: JSON.stringify({
              sandboxID: record.sandboxID,
              pid: record.state.name === "running" ? record.state.pid : 0,
              cgroupPath: record.cgroupPath,
            }),
          }
        : {};
      return { status: describeContainerStatus(record), info };
    }),
    updateContainerResources: wrap("UpdateContainerResources", (request) => {
      if (request.linux !== undefined) runtime.containers.updateResources(request.containerId, request.linux);
      return {};
    }),
    reopenContainerLog: wrap("ReopenContainerLog", (request) => {
      runtime.containers.reopenLog(request.containerId);
      return {};
    }),

    execSync: wrap("ExecSync", (request) => execSync(runtime, request)),
    exec: wrap("Exec", (request) => {
      runtime.containers.execTarget(request.containerId, runtime.sandboxes.records);
      if (request.tty && request.stderr) throw new RuntimeError("INVALID_ARGUMENT", "tty and stderr cannot both be true");
      return { url: streaming.offer({ kind: "exec", request }) };
    }),
    attach: wrap("Attach", (request) => {
      const record = runtime.containers.get(request.containerId);
      if (record.state.name !== "running")
        throw new RuntimeError("UNKNOWN", `container is in CONTAINER_${record.state.name.toUpperCase()} state`);
      return { url: streaming.offer({ kind: "attach", request }) };
    }),
    portForward: wrap("PortForward", (request) => {
      const record = runtime.getSandbox(request.podSandboxId);
      if (record.state.name !== "ready") throw new RuntimeError("UNKNOWN", `sandbox container "${record.id}" is not running`);
      return { url: streaming.offer({ kind: "portForward", request }) };
    }),

    containerStats: wrap("ContainerStats", (request) => ({ stats: stats.container(runtime.containers.get(request.containerId)) })),
    listContainerStats: wrap("ListContainerStats", ({ filter }) => ({
      stats: selectContainers(runtime, {
        id: filter?.id ?? "",
        podSandboxId: filter?.podSandboxId ?? "",
        labelSelector: filter?.labelSelector ?? {},
        state: undefined,
      })
        .filter((record) => record.state.name === "running")
        .map((record) => stats.container(record)),
    })),
    podSandboxStats: wrap("PodSandboxStats", (request) => ({ stats: stats.sandbox(runtime.getSandbox(request.podSandboxId)) })),
    listPodSandboxStats: wrap("ListPodSandboxStats", ({ filter }) => ({
      stats: [...runtime.sandboxes.records.values()]
        .filter(
          (record) =>
            record.state.name === "ready" && matchesID(record.id, filter?.id) && matchesLabels(record.config.labels, filter?.labelSelector),
        )
        .map((record) => stats.sandbox(record)),
    })),
    getContainerEvents: (call) => streamEvents(runtime, call),

    checkpointContainer: wrap("CheckpointContainer", () => {
      throw new RuntimeError("UNIMPLEMENTED", "method CheckpointContainer not implemented");
    }),
    listMetricDescriptors: wrap("ListMetricDescriptors", () => ({ descriptors: [] })),
    listPodSandboxMetrics: wrap("ListPodSandboxMetrics", () => ({ podMetrics: [] })),
  };
}

function describeRuntime(runtime: Runtime, verbose: boolean): StatusResponse {
  const network = runtime.sandboxes.hasAddresses;
  return {
    status: {
      conditions: [
        { type: "RuntimeReady", status: true, reason: "", message: "" },
        network
          ? { type: "NetworkReady", status: true, reason: "", message: "" }
          : {
              type: "NetworkReady",
              status: false,
              reason: "NetworkPluginNotReady",
              message: "Network plugin returns error: no pod CIDR was set",
            },
      ],
    },
    info: verbose
      ? {
          config: JSON.stringify({
            cgroups: runtime.cgroups.kind,
            root: runtime.environment.layout.root,
            state: runtime.environment.layout.state,
          }),
        }
      : {},
    runtimeHandlers: ["", runtimeName].map((name) => ({ name, features: { recursiveReadOnlyMounts: true, userNamespaces: false } })),
    features: { supplementalGroupsPolicy: true },
  };
}

async function execSync(runtime: Runtime, request: ExecSyncRequest): Promise<ExecSyncResponse> {
  const program = runtime.exec(request.containerId, { argv: request.cmd, terminal: false, stdin: false });
  const output = [collect(program.stdout), collect(program.stderr)];
  const timeoutMs = Number(request.timeout) * 1_000;
  let timedOut = false;
  const timer =
    timeoutMs > 0
      ? setTimeout(() => {
          timedOut = true;
          killExec(program);
        }, timeoutMs)
      : undefined;
  try {
    await program.started;
    const waitStatus = await program.exited;
    await program.closed;
    if (timedOut)
      throw new RuntimeError(
        "DEADLINE_EXCEEDED",
        `failed to exec in container: timeout ${request.timeout}s exceeded: context deadline exceeded`,
      );
    const [stdout, stderr] = output.map((one) => one.bytes());
    return { stdout: stdout as Buffer, stderr: stderr as Buffer, exitCode: exitCodeOf(waitStatus) };
  } catch (error) {
    if (timedOut)
      throw new RuntimeError(
        "DEADLINE_EXCEEDED",
        `failed to exec in container: timeout ${request.timeout}s exceeded: context deadline exceeded`,
      );
    if (error instanceof LaunchError) {
      throw new RuntimeError(
        "UNKNOWN",
        `failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: unable to start container process: ${error.call.startsWith("execve") ? describeExecError(request.cmd[0] ?? "", error) : error.message}: unknown`,
        { cause: error },
      );
    }
    throw error;
  } finally {
    clearTimeout(timer);
    program.control.destroy();
  }
}

/** The process dies with its shim. */
export function killExec(program: ForegroundProgram): void {
  try {
    process.kill(program.shimPID, "SIGKILL");
  } catch {
    // It has just ended.
  }
}

function collect(stream: NodeJS.ReadableStream): { bytes: () => Buffer } {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on("data", (chunk: Buffer) => {
    size += chunk.length;
    // Read on, so that the process can end, but keep no more.
    if (size <= execOutputBytesMax) chunks.push(chunk);
  });
  return {
    bytes: () => {
      if (size > execOutputBytesMax)
        throw new RuntimeError("RESOURCE_EXHAUSTED", `grpc: trying to send message larger than max (${size} vs. ${execOutputBytesMax})`);
      return Buffer.concat(chunks);
    },
  };
}

function streamEvents(runtime: Runtime, call: ServerWritableStream<GetEventsRequest, ContainerEventResponse>): void {
  let pending = 0;
  const describe = (event: ContainerEvent): ContainerEventResponse => {
    const sandbox = runtime.findSandbox(event.sandboxID);
    return {
      containerId: event.id,
      containerEventType: eventTypes[event.kind],
      createdAt: event.at,
      podSandboxStatus: sandbox === undefined ? undefined : describeSandboxStatus(sandbox),
      containersStatuses: runtime.containers.inSandbox(event.sandboxID).map(describeContainerStatus),
    };
  };
  const stop = runtime.onEvent((event) => {
    if (pending >= eventBacklogMax) {
      // A reader that lists again knows more than one that waits for old events.
      call.emit("error", { code: grpcStatus.RESOURCE_EXHAUSTED, details: "event reader is too slow" });
      stop();
      return;
    }
    pending += 1;
    call.write(describe(event), () => {
      pending -= 1;
    });
  });
  call.on("cancelled", stop);
  call.on("close", stop);
  call.on("error", stop);
  // Headers now: the client knows that events from here on will reach it.
  call.sendMetadata(call.metadata.clone());
}

function isKnown(runtime: Runtime, id: string): boolean {
  return [...runtime.containers.records.keys()].some((known) => known.startsWith(id)) && id !== "";
}

function selectContainers(runtime: Runtime, filter: ContainerFilter | undefined): ContainerRecord[] {
  return [...runtime.containers.records.values()].filter(
    (record) =>
      matchesID(record.id, filter?.id) &&
      matchesID(record.sandboxID, filter?.podSandboxId) &&
      (filter?.state === undefined || filter.state.state === containerState(record)) &&
      matchesLabels(record.config.labels, filter?.labelSelector),
  );
}

function matchesID(id: string, wanted: string | undefined): boolean {
  return wanted === undefined || wanted === "" || id.startsWith(wanted);
}

function matchesLabels(labels: Readonly<Record<string, string>>, selector: Readonly<Record<string, string>> | undefined): boolean {
  return Object.entries(selector ?? {}).every(([key, wanted]) => labels[key] === wanted);
}
