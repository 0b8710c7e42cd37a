// The Container Runtime Interface as promises over one gRPC channel to a unix socket.
//
// Owns:  the channel. Every call has a deadline and takes a signal; errors are grpc-js ServiceErrors.
import { type CallOptions, type ClientUnaryCall, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import * as wire from "@lenj/proto/cri";
import type { Draft } from "../../core/cri/draft.js";

export interface CallLimits {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
}

/** Two minutes, as upstream's --runtime-request-timeout. */
const defaultTimeoutMs = 120_000;
/** Large enough for ListContainers of a full node. Upstream: maxMsgSize. */
const maxMessageBytes = 16 * 1024 * 1024;

type Invoke<Q, R> = (
  request: Q,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: R) => void,
) => ClientUnaryCall;

export class CRIClient {
  readonly #runtime: wire.RuntimeServiceClient;
  readonly #images: wire.ImageServiceClient;

  /** `endpoint`: unix:///run/containerd/containerd.sock, or the bare path. */
  constructor(endpoint: string) {
    const address = endpoint.startsWith("/") ? `unix://${endpoint}` : endpoint;
    const options = {
      "grpc.max_receive_message_length": maxMessageBytes,
      "grpc.max_send_message_length": maxMessageBytes,
      "grpc.max_reconnect_backoff_ms": 3_000,
      "grpc.default_authority": "localhost",
    };
    this.#runtime = new wire.RuntimeServiceClient(address, credentials.createInsecure(), options);
    this.#images = new wire.ImageServiceClient(address, credentials.createInsecure(), {
      ...options,
      channelOverride: this.#runtime.getChannel(),
    });
  }

  close(): void {
    this.#runtime.close();
  }

  version(limits?: CallLimits): Promise<wire.VersionResponse> {
    return this.#call(this.#runtime.version.bind(this.#runtime), wire.VersionRequest.fromPartial({ version: "0.1.0" }), limits);
  }

  status(limits?: CallLimits): Promise<wire.StatusResponse> {
    return this.#call(this.#runtime.status.bind(this.#runtime), { verbose: false }, limits);
  }

  async runPodSandbox(config: Draft<wire.PodSandboxConfig>, runtimeHandler: string, limits?: CallLimits): Promise<string> {
    const request = wire.RunPodSandboxRequest.fromPartial({ config, runtimeHandler } as never);
    // Network plugins may wait for an address: twice the usual time, as upstream.
    const response = await this.#call(this.#runtime.runPodSandbox.bind(this.#runtime), request, {
      timeoutMs: defaultTimeoutMs * 2,
      ...limits,
    });
    return response.podSandboxId;
  }

  async stopPodSandbox(podSandboxId: string, limits?: CallLimits): Promise<void> {
    await this.#call(this.#runtime.stopPodSandbox.bind(this.#runtime), { podSandboxId }, limits);
  }

  async removePodSandbox(podSandboxId: string, limits?: CallLimits): Promise<void> {
    await this.#call(this.#runtime.removePodSandbox.bind(this.#runtime), { podSandboxId }, limits);
  }

  async podSandboxStatus(podSandboxId: string, limits?: CallLimits): Promise<wire.PodSandboxStatus | undefined> {
    return (await this.#call(this.#runtime.podSandboxStatus.bind(this.#runtime), { podSandboxId, verbose: false }, limits)).status;
  }

  async listPodSandboxes(labelSelector: Readonly<Record<string, string>> = {}, limits?: CallLimits): Promise<wire.PodSandbox[]> {
    const request = wire.ListPodSandboxRequest.fromPartial({ filter: { labelSelector } });
    return (await this.#call(this.#runtime.listPodSandbox.bind(this.#runtime), request, limits)).items;
  }

  async createContainer(
    podSandboxId: string,
    config: Draft<wire.ContainerConfig>,
    sandboxConfig: Draft<wire.PodSandboxConfig>,
    limits?: CallLimits,
  ): Promise<string> {
    const request = wire.CreateContainerRequest.fromPartial({ podSandboxId, config, sandboxConfig } as never);
    return (await this.#call(this.#runtime.createContainer.bind(this.#runtime), request, limits)).containerId;
  }

  async startContainer(containerId: string, limits?: CallLimits): Promise<void> {
    await this.#call(this.#runtime.startContainer.bind(this.#runtime), { containerId }, limits);
  }

  /** Resolves when the container has stopped. The deadline lies beyond the grace period. */
  async stopContainer(containerId: string, graceSeconds: number, limits?: CallLimits): Promise<void> {
    const request = { containerId, timeout: BigInt(Math.max(0, Math.floor(graceSeconds))) };
    await this.#call(this.#runtime.stopContainer.bind(this.#runtime), request, {
      timeoutMs: graceSeconds * 1000 + defaultTimeoutMs,
      ...limits,
    });
  }

  async removeContainer(containerId: string, limits?: CallLimits): Promise<void> {
    await this.#call(this.#runtime.removeContainer.bind(this.#runtime), { containerId }, limits);
  }

  async listContainers(labelSelector: Readonly<Record<string, string>> = {}, limits?: CallLimits): Promise<wire.Container[]> {
    const request = wire.ListContainersRequest.fromPartial({ filter: { labelSelector } });
    return (await this.#call(this.#runtime.listContainers.bind(this.#runtime), request, limits)).containers;
  }

  async containerStatus(containerId: string, limits?: CallLimits): Promise<wire.ContainerStatus | undefined> {
    return (await this.#call(this.#runtime.containerStatus.bind(this.#runtime), { containerId, verbose: false }, limits)).status;
  }

  async reopenContainerLog(containerId: string, limits?: CallLimits): Promise<void> {
    await this.#call(this.#runtime.reopenContainerLog.bind(this.#runtime), { containerId }, limits);
  }

  async updateContainerResources(containerId: string, linux: Draft<wire.LinuxContainerResources>, limits?: CallLimits): Promise<void> {
    await this.#call(
      this.#runtime.updateContainerResources.bind(this.#runtime),
      wire.UpdateContainerResourcesRequest.fromPartial({ containerId, linux } as never),
      limits,
    );
  }

  /** `timeoutSeconds` bounds the command; the runtime answers DEADLINE_EXCEEDED. */
  execSync(containerId: string, cmd: readonly string[], timeoutSeconds: number, limits?: CallLimits): Promise<wire.ExecSyncResponse> {
    const request = { containerId, cmd: [...cmd], timeout: BigInt(Math.ceil(timeoutSeconds)) };
    const timeoutMs = timeoutSeconds === 0 ? defaultTimeoutMs * 10 : timeoutSeconds * 1000 + defaultTimeoutMs;
    return this.#call(this.#runtime.execSync.bind(this.#runtime), request, { timeoutMs, ...limits });
  }

  async exec(request: wire.ExecRequest, limits?: CallLimits): Promise<string> {
    return (await this.#call(this.#runtime.exec.bind(this.#runtime), request, limits)).url;
  }

  async attach(request: wire.AttachRequest, limits?: CallLimits): Promise<string> {
    return (await this.#call(this.#runtime.attach.bind(this.#runtime), request, limits)).url;
  }

  async portForward(podSandboxId: string, port: readonly number[], limits?: CallLimits): Promise<string> {
    return (await this.#call(this.#runtime.portForward.bind(this.#runtime), { podSandboxId, port: [...port] }, limits)).url;
  }

  async listContainerStats(limits?: CallLimits): Promise<wire.ContainerStats[]> {
    return (await this.#call(this.#runtime.listContainerStats.bind(this.#runtime), wire.ListContainerStatsRequest.fromPartial({}), limits))
      .stats;
  }

  async listPodSandboxStats(limits?: CallLimits): Promise<wire.PodSandboxStats[]> {
    return (
      await this.#call(this.#runtime.listPodSandboxStats.bind(this.#runtime), wire.ListPodSandboxStatsRequest.fromPartial({}), limits)
    ).stats;
  }

  async updateRuntimeConfig(podCidr: string, limits?: CallLimits): Promise<void> {
    await this.#call(
      this.#runtime.updateRuntimeConfig.bind(this.#runtime),
      wire.UpdateRuntimeConfigRequest.fromPartial({ runtimeConfig: { networkConfig: { podCidr } } }),
      limits,
    );
  }

  /** Changes of containers from now on, until the stream breaks (then it throws) or `signal` is aborted (then it ends). */
  async *containerEvents(signal: AbortSignal): AsyncGenerator<wire.ContainerEventResponse, void> {
    const stream = this.#runtime.getContainerEvents({});
    const onAbort = (): void => stream.cancel();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      for await (const event of stream) yield event as wire.ContainerEventResponse;
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
      stream.cancel();
    }
  }

  async listImages(limits?: CallLimits): Promise<wire.Image[]> {
    return (await this.#call(this.#images.listImages.bind(this.#images), wire.ListImagesRequest.fromPartial({}), limits)).images;
  }

  async imageStatus(image: string, limits?: CallLimits): Promise<wire.Image | undefined> {
    return (
      await this.#call(this.#images.imageStatus.bind(this.#images), wire.ImageStatusRequest.fromPartial({ image: { image } }), limits)
    ).image;
  }

  /** The ID of the pulled image. Pulls have no deadline of their own: progress is the runtime's business. */
  async pullImage(
    image: string,
    auth: Draft<wire.AuthConfig> | undefined,
    sandboxConfig: Draft<wire.PodSandboxConfig>,
    limits?: CallLimits,
  ): Promise<string> {
    const request = wire.PullImageRequest.fromPartial({ image: { image, userSpecifiedImage: image }, auth, sandboxConfig } as never);
    return (await this.#call(this.#images.pullImage.bind(this.#images), request, { timeoutMs: 0, ...limits })).imageRef;
  }

  async removeImage(image: string, limits?: CallLimits): Promise<void> {
    await this.#call(this.#images.removeImage.bind(this.#images), wire.RemoveImageRequest.fromPartial({ image: { image } }), limits);
  }

  imageFsInfo(limits?: CallLimits): Promise<wire.ImageFsInfoResponse> {
    return this.#call(this.#images.imageFsInfo.bind(this.#images), {}, limits);
  }

  #call<Q, R>(invoke: Invoke<Q, R>, request: Q, limits: CallLimits = {}): Promise<R> {
    const timeoutMs = limits.timeoutMs ?? defaultTimeoutMs;
    return new Promise((resolve, reject) => {
      if (limits.signal?.aborted === true) {
        reject(limits.signal.reason as Error);
        return;
      }
      const options: Partial<CallOptions> = timeoutMs === 0 ? {} : { deadline: Date.now() + timeoutMs };
      const onAbort = (): void => call.cancel();
      const call = invoke(request, new Metadata(), options, (error, response) => {
        limits.signal?.removeEventListener("abort", onAbort);
        if (error === null) resolve(response);
        else reject(limits.signal?.aborted === true ? (limits.signal.reason as Error) : error);
      });
      limits.signal?.addEventListener("abort", onAbort, { once: true });
    });
  }
}

/** gRPC code of a runtime's error, undefined for any other error. */
export function criErrorCode(error: unknown): number | undefined {
  const code = (error as Partial<ServiceError> | undefined)?.code;
  return typeof code === "number" ? code : undefined;
}

/** "rpc error: code = NotFound desc = ..." as Go clients word it: what people see in Events. */
export function describeCRIError(error: unknown): string {
  const code = criErrorCode(error);
  if (code === undefined) return error instanceof Error ? error.message : String(error);
  const { details, message } = error as ServiceError;
  return `rpc error: code = ${codeNames[code] ?? `Code(${code})`} desc = ${details ?? message}`;
}

const codeNames = [
  "OK",
  "Canceled",
  "Unknown",
  "InvalidArgument",
  "DeadlineExceeded",
  "NotFound",
  "AlreadyExists",
  "PermissionDenied",
  "ResourceExhausted",
  "FailedPrecondition",
  "Aborted",
  "OutOfRange",
  "Unimplemented",
  "Internal",
  "Unavailable",
  "DataLoss",
  "Unauthenticated",
];

export const criNotFound = 5;
export const criDeadlineExceeded = 4;
export const criUnimplemented = 12;
