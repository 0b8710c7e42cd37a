// GET /containerLogs/{namespace}/{pod}/{container}. Source: pkg/kubelet/server getContainerLogs.
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { corev1 } from "@lenj/proto/k8s";
import { chooseLogContainer, parseLogOptions } from "../../core/logs/log-request.js";
import { findPodContainer } from "../../core/pod/containers.js";
import type { ContainerRecord } from "../../core/runtime-state.js";
import { readLog } from "../logs/log-reader.js";
import { sendText } from "./answers.js";

export interface LogHandlerPorts {
  /** The container of that ID as the runtime was last seen to hold it. */
  readonly findContainer: (id: string) => ContainerRecord | undefined;
  readonly nowMs: () => number;
}

export async function answerLogs(
  ports: LogHandlerPorts,
  request: { pod: corev1.Pod; containerName: string; query: URLSearchParams },
  response: ServerResponse,
): Promise<void> {
  const { pod, containerName, query } = request;
  const name = pod.metadata?.name ?? "";
  if (findPodContainer(pod, containerName) === undefined)
    return sendText(response, 404, `container ${JSON.stringify(containerName)} not found in pod ${JSON.stringify(name)}\n`);
  const options = parseLogOptions(query, ports.nowMs());
  if ("problem" in options) return sendText(response, 400, options.problem);
  const chosen = chooseLogContainer(pod, containerName, query.get("previous") === "true");
  if ("problem" in chosen) return sendText(response, 400, chosen.problem);
  const id = chosen.containerID.replace(/^.*:\/\//, "");
  const path = ports.findContainer(id)?.logPath ?? "";
  const gone = `unable to retrieve container logs for ${chosen.containerID}`;
  if (path === "") return sendText(response, 200, gone);
  const abort = new AbortController();
  response.once("close", () => abort.abort(new Error("The client is gone")));
  const source = { path, isRunning: () => ["running", "created"].includes(ports.findContainer(id)?.state ?? "exited") };
  try {
    for await (const text of readLog(source, options, abort.signal)) {
      if (!response.headersSent) response.writeHead(200, { "content-type": "text/plain" });
      if (!response.write(text)) await once(response, "drain", { signal: abort.signal });
    }
    if (!response.headersSent) response.writeHead(200, { "content-type": "text/plain" });
    response.end();
  } catch (error) {
    if (abort.signal.aborted) return;
    // A log that was cut off must not look complete.
    if (response.headersSent) response.destroy();
    else if ((error as NodeJS.ErrnoException).code === "ENOENT") sendText(response, 200, gone);
    else throw error;
  }
}
