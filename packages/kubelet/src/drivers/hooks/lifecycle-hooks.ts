// postStart and preStop hooks. Upstream: pkg/kubelet/lifecycle/handlers.go.
import { type Clock, delay } from "@lenj/base";
import type { corev1 } from "@lenj/proto/k8s";
import { type CRIClient, describeCRIError } from "../cri/cri-client.js";
import { getHTTP } from "../probes/handlers.js";

export interface HookInput {
  readonly containerID: string;
  readonly container: corev1.Container;
  readonly podIP: string;
  /** Upper bound; 0: none. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Runs one hook to its end. Rejects with an Error whose message belongs into an Event. */
export async function runHook(
  ports: { readonly cri: CRIClient; readonly clock: Clock },
  handler: corev1.LifecycleHandler,
  input: HookInput,
): Promise<void> {
  if (handler.exec !== undefined) {
    const command = handler.exec.command ?? [];
    let answer: Awaited<ReturnType<CRIClient["execSync"]>>;
    try {
      answer = await ports.cri.execSync(input.containerID, command, input.timeoutMs / 1000, { signal: input.signal });
    } catch (error) {
      throw new Error(
        `Exec lifecycle hook (${command.join(" ")}) for Container ${JSON.stringify(input.container.name)} failed - error: ${describeCRIError(error)}`,
        { cause: error },
      );
    }
    if (answer.exitCode === 0) return;
    const output = Buffer.concat([answer.stdout, answer.stderr]).toString("utf8");
    throw new Error(
      `Exec lifecycle hook (${command.join(" ")}) for Container ${JSON.stringify(input.container.name)} failed - error: command '${command.join(" ")}' exited with ${answer.exitCode}: ${output}`,
    );
  }
  if (handler.httpGet !== undefined) {
    const { code } = await getHTTP(handler.httpGet, input, {
      timeoutMs: input.timeoutMs === 0 ? 60_000 : input.timeoutMs,
      userAgent: "kube-lifecycle/1.35",
    });
    if (code >= 400)
      throw new Error(
        `HTTP lifecycle hook (${handler.httpGet.path ?? "/"}) for Container ${JSON.stringify(input.container.name)} failed - error: status code ${code}`,
      );
    return;
  }
  if (handler.sleep !== undefined) {
    const sleepMs = handler.sleep.seconds * 1000;
    await delay(ports.clock, input.timeoutMs === 0 ? sleepMs : Math.min(sleepMs, input.timeoutMs), input.signal);
    return;
  }
  if (handler.tcpSocket !== undefined) return;
  throw new Error("invalid handler: must specify exec, httpGet or sleep");
}
