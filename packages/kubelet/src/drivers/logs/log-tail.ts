import { open } from "node:fs/promises";
import { parseLogLine } from "../../core/logs/log-line.js";

/** The text of the last lines of a container log, at most that many lines and bytes of text; empty when there is no log. */
export async function readLogTail(path: string, limits: { readonly lines: number; readonly bytes: number }): Promise<string> {
  try {
    const file = await open(path, "r");
    try {
      const { size } = await file.stat();
      // Every line carries a prefix of some forty bytes beside its text.
      const length = Math.min(size, limits.bytes * 4 + limits.lines * 64);
      const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
      const lines = splitLines(buffer)
        .slice(size > length ? 1 : 0)
        .slice(-limits.lines);
      const text = Buffer.concat(
        lines.flatMap((line) => {
          const parsed = parseLogLine(line);
          if (parsed === undefined) return [];
          return parsed.partial ? [Buffer.from(parsed.text)] : [Buffer.from(parsed.text), Buffer.from("\n")];
        }),
      );
      return text.subarray(Math.max(0, text.length - limits.bytes)).toString("utf8");
    } finally {
      await file.close();
    }
  } catch {
    // The log is gone or was never written: there is nothing to tell.
    return "";
  }
}

function splitLines(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let start = 0;
  for (let end = bytes.indexOf(10, start); end !== -1; end = bytes.indexOf(10, start)) {
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  if (start < bytes.length) lines.push(bytes.subarray(start));
  return lines;
}
