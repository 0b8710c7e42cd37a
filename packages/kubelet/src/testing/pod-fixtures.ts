// Short ways to say what a pod asks for and what the runtime holds of it.
import type { corev1 } from "@lenj/proto/k8s";
import { hashContainer } from "../core/pod/identity.js";
import type { ContainerRecord, PodRuntimeState, SandboxRecord } from "../core/runtime-state.js";

export function container(name: string, more: Partial<corev1.Container> = {}): corev1.Container {
  return { name, image: `${name}:1`, ...more };
}

export function pod(spec: Partial<corev1.PodSpec>, metadata: NonNullable<corev1.Pod["metadata"]> = {}): corev1.Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "shop", uid: "u1", ...metadata },
    spec: { containers: [container("app")], ...spec },
  };
}

export function sandbox(more: Partial<SandboxRecord> = {}): SandboxRecord {
  return { id: "s0", attempt: 0, ready: true, createdAtMs: 0, ips: ["10.244.0.2"], hostNetwork: false, ...more };
}

/** A container in sandbox s0, made from `container(name)`, running unless said otherwise. */
export function record(name: string, more: Partial<ContainerRecord> = {}): ContainerRecord {
  return {
    id: `${name}-0`,
    sandboxID: "s0",
    name,
    state: "running",
    createdAtMs: 0,
    startedAtMs: 1_000,
    finishedAtMs: 0,
    exitCode: 0,
    reason: "",
    message: "",
    image: `${name}:1`,
    imageID: `sha256:${name}`,
    restartCount: 0,
    hash: hashContainer(container(name)),
    logPath: "",
    ...more,
  };
}

export function exited(name: string, exitCode: number, more: Partial<ContainerRecord> = {}): ContainerRecord {
  return record(name, { state: "exited", exitCode, finishedAtMs: 2_000, ...more });
}

/** Newest first, as the observer lists them. */
export function runtimeState(sandboxes: readonly SandboxRecord[], containers: readonly ContainerRecord[] = []): PodRuntimeState {
  return { uid: "u1", namespace: "shop", name: "web", sandboxes, containers };
}
