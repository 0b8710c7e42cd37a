// Which log a client asks for: its options, and the container whose log it is. Source: pkg/kubelet validateContainerLogStatus.
import type { corev1 } from "@lenj/proto/k8s";
import { parseTime } from "../time-text.js";
import type { LogOptions } from "./log-line.js";

/** A refusal, in upstream's words. */
export interface LogProblem {
  readonly problem: string;
}

export function parseLogOptions(query: URLSearchParams, nowMs: number): LogOptions | LogProblem {
  const isOn = (name: string): boolean => ["1", "true"].includes((query.get(name) ?? "").toLowerCase());
  const number = (name: string): number | undefined => (query.get(name) ? Number(query.get(name)) : undefined);
  const [tailLines, limitBytes, sinceSeconds] = [number("tailLines"), number("limitBytes"), number("sinceSeconds")];
  for (const [name, value] of Object.entries({ tailLines, limitBytes, sinceSeconds })) {
    if (value !== undefined && !Number.isSafeInteger(value)) return { problem: `Invalid "${name}": must be a whole number` };
  }
  const sinceTime = query.get("sinceTime") ? parseTime(query.get("sinceTime") ?? "") : undefined;
  if (query.get("sinceTime") && sinceTime === undefined)
    return { problem: `parsing time ${JSON.stringify(query.get("sinceTime"))} as "2006-01-02T15:04:05Z07:00": cannot parse` };
  const stream = query.get("stream") || "All";
  if (stream !== "All" && stream !== "Stdout" && stream !== "Stderr")
    return { problem: `Unsupported value: ${JSON.stringify(stream)}: supported values: "All", "Stderr", "Stdout"` };
  return {
    follow: isOn("follow"),
    timestamps: isOn("timestamps"),
    tailLines,
    limitBytes,
    sinceMs: sinceSeconds === undefined ? sinceTime : nowMs - sinceSeconds * 1000,
    stream,
  };
}

/** The ID, as the API shows it, of the container whose log is meant: the running one, else the newest that ended. */
export function chooseLogContainer(
  pod: corev1.Pod,
  containerName: string,
  previous: boolean,
): { readonly containerID: string } | LogProblem {
  const { status } = pod;
  const found = [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
    ...(status?.ephemeralContainerStatuses ?? []),
  ].find(({ name }) => name === containerName);
  const subject = `container ${JSON.stringify(containerName)} in pod ${JSON.stringify(pod.metadata?.name ?? "")}`;
  if (found === undefined) return { problem: `${subject} is not available` };
  const last = found.lastState?.terminated?.containerID ?? "";
  if (previous) return last === "" ? { problem: `previous terminated ${subject} not found` } : { containerID: last };
  const { running, terminated, waiting } = found.state ?? {};
  if (running !== undefined) return { containerID: found.containerID ?? "" };
  const ended = terminated?.containerID || last;
  if (ended !== "") return { containerID: ended };
  if (terminated !== undefined) return { problem: `${subject} is terminated` };
  if (waiting === undefined) return { problem: `${subject} is waiting to start - no logs yet` };
  if (waiting.reason === "ErrImagePull") return { problem: `${subject} is waiting to start: image can't be pulled` };
  if (waiting.reason === "ImagePullBackOff") return { problem: `${subject} is waiting to start: trying and failing to pull image` };
  return { problem: `${subject} is waiting to start: ${waiting.reason ?? ""}` };
}
