// Lines of container log files in the CRI form: "<time> <stream> <tags> <text>". Upstream: kuberuntime/logs.
export interface LogLine {
  /** As the runtime wrote it: RFC 3339 with up to nine digits of fraction. */
  readonly time: string;
  readonly stream: "stdout" | "stderr";
  /** The rest of the line follows in the next one. */
  readonly partial: boolean;
  readonly text: Uint8Array;
}

const space = 0x20;

/** Reads one line without its newline; undefined when it is not in the form. */
export function parseLogLine(line: Uint8Array): LogLine | undefined {
  const first = line.indexOf(space);
  const second = first === -1 ? -1 : line.indexOf(space, first + 1);
  if (second === -1) return undefined;
  let third = line.indexOf(space, second + 1);
  if (third === -1) third = line.length;
  const stream = ascii(line.subarray(first + 1, second));
  if (stream !== "stdout" && stream !== "stderr") return undefined;
  const tags = ascii(line.subarray(second + 1, third)).split(":");
  if (tags[0] !== "P" && tags[0] !== "F") return undefined;
  return { time: ascii(line.subarray(0, first)), stream, partial: tags[0] === "P", text: line.subarray(Math.min(third + 1, line.length)) };
}

export interface LogOptions {
  readonly follow: boolean;
  readonly timestamps: boolean;
  readonly tailLines: number | undefined;
  readonly limitBytes: number | undefined;
  /** Lines older than this are left out; epoch milliseconds. */
  readonly sinceMs: number | undefined;
  readonly stream: "All" | "Stdout" | "Stderr";
}

function ascii(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
