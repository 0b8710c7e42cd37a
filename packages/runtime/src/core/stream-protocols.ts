// Remote command and port-forward protocols over WebSocket, as the kubelet and containerd speak them.
//
// A binary message is a channel number and bytes; in the base64 forms a digit and base64 text.
// Source: k8s.io/apimachinery util/remotecommand, k8s.io/kubelet pkg/cri/streaming, KEP-4006.

export const stdinChannel = 0;
export const stdoutChannel = 1;
export const stderrChannel = 2;
export const statusChannel = 3;
export const resizeChannel = 4;
/** v5: says that the channel in its one byte of content has ended. */
export const closeChannel = 255;

export interface StreamProtocol {
  readonly name: string;
  readonly base64: boolean;
  /** The end carries a Status object as JSON, not only a text. */
  readonly structuredStatus: boolean;
  readonly halfClose: boolean;
}

const protocol = (name: string, base64: boolean, structuredStatus: boolean, halfClose: boolean): StreamProtocol => ({
  name,
  base64,
  structuredStatus,
  halfClose,
});

/** Best first. */
export const commandProtocols: readonly StreamProtocol[] = [
  protocol("v5.channel.k8s.io", false, true, true),
  protocol("v4.channel.k8s.io", false, true, false),
  protocol("v4.base64.channel.k8s.io", true, true, false),
  protocol("channel.k8s.io", false, false, false),
  protocol("base64.channel.k8s.io", true, false, false),
];
export const forwardProtocols: readonly StreamProtocol[] = [
  protocol("v4.channel.k8s.io", false, false, false),
  protocol("v4.base64.channel.k8s.io", true, false, false),
];

/** The best protocol that both know; undefined when there is none. */
export function chooseProtocol(known: readonly StreamProtocol[], offered: Iterable<string>): StreamProtocol | undefined {
  const names = new Set(offered);
  return known.find((candidate) => names.has(candidate.name));
}

export interface CommandStatus {
  readonly metadata: Record<string, never>;
  readonly status: "Success" | "Failure";
  readonly message?: string;
  readonly reason?: string;
  readonly details?: { readonly causes: readonly { readonly reason: string; readonly message: string }[] };
  readonly code?: number;
}

export function exitStatus(exitCode: number): CommandStatus {
  if (exitCode === 0) return { metadata: {}, status: "Success" };
  return {
    metadata: {},
    status: "Failure",
    reason: "NonZeroExitCode",
    message: `command terminated with non-zero exit code: error executing command, exit code ${exitCode}`,
    details: { causes: [{ reason: "ExitCode", message: String(exitCode) }] },
  };
}

export function failureStatus(message: string): CommandStatus {
  return {
    metadata: {},
    status: "Failure",
    reason: "InternalError",
    message: `Internal error occurred: ${message}`,
    details: { causes: [{ reason: "", message }] },
    code: 500,
  };
}

/** Parses a resize message; undefined when it is none. */
export function parseResize(text: string): { columns: number; rows: number } | undefined {
  try {
    const size = JSON.parse(text) as { Width?: number; Height?: number; width?: number; height?: number };
    const columns = size.Width ?? size.width;
    const rows = size.Height ?? size.height;
    return typeof columns === "number" && typeof rows === "number" && columns > 0 && rows > 0 ? { columns, rows } : undefined;
  } catch {
    return undefined;
  }
}
