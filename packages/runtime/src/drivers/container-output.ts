// A running container's output: read from its pipes, written to its log file, copied to who is attached.
//
// Owns:  the reading ends of the pipes, the log file's descriptor, the writing ends for input and control.
// O1. A byte read from a pipe is in the log file (or held as an unfinished line) before the next is read.
// O2. The log file is only appended to; after reopen() it is a new file of the same name.
// O3. `drained` resolves when all output was read, which is when nothing holds the pipes any more.
import { closeSync, constants, mkdirSync, openSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { dirname } from "node:path";
import type { Logger } from "@lenj/base";
import { formatTimestamp, LogFormatter, type LogStream } from "../core/log-format.js";

export type OutputListener = (stream: LogStream, chunk: Buffer) => void;

export interface ContainerOutputOptions {
  /** Empty: no log is written. */
  readonly logPath: string;
  readonly stdoutPipe: string;
  readonly stderrPipe: string | undefined;
  readonly logger: Logger;
  readonly now: () => bigint;
}

export class ContainerOutput {
  readonly drained: Promise<void>;
  readonly #options: ContainerOutputOptions;
  readonly #listeners = new Set<OutputListener>();
  readonly #sockets: Socket[] = [];
  #log: number | undefined;

  /** Opens the pipes, which the shim must have made. */
  constructor(options: ContainerOutputOptions) {
    this.#options = options;
    this.#log = this.#openLog();
    const streams: [LogStream, string][] = [["stdout", options.stdoutPipe]];
    if (options.stderrPipe !== undefined) streams.push(["stderr", options.stderrPipe]);
    this.drained = Promise.all(streams.map(([stream, pipe]) => this.#follow(stream, pipe))).then(() => this.#closeLog());
  }

  /** Calls `listener` with output from now on; the returned function ends that. */
  listen(listener: OutputListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** After the log file was renamed: goes on in a new one. Throws the file system's error. */
  reopenLog(): void {
    const next = this.#openLog();
    const previous = this.#log;
    this.#log = next;
    if (previous !== undefined) closeSync(previous);
  }

  /** Stops reading at once; what is still in the pipes stays there for the next reader. */
  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #openLog(): number | undefined {
    const { logPath } = this.#options;
    if (logPath === "") return undefined;
    mkdirSync(dirname(logPath), { recursive: true, mode: 0o755 });
    return openSync(logPath, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND, 0o640);
  }

  #follow(stream: LogStream, pipe: string): Promise<void> {
    const descriptor = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    const socket = new Socket({ fd: descriptor, readable: true, writable: false });
    this.#sockets.push(socket);
    const formatter = new LogFormatter(stream);
    socket.on("data", (chunk: Buffer) => {
      this.#append(formatter.push(chunk, formatTimestamp(this.#options.now())));
      for (const listener of this.#listeners) listener(stream, chunk);
    });
    // A read error ends the stream like its end does; "close" follows either.
    socket.on("error", (error) => this.#options.logger.warn("Reading container output failed", { stream, pipe, error }));
    return new Promise((resolve) => {
      socket.once("end", () => this.#append(formatter.flush(formatTimestamp(this.#options.now()))));
      socket.once("close", () => resolve());
    });
  }

  #append(lines: readonly Uint8Array[]): void {
    if (this.#log === undefined || lines.length === 0) return;
    const bytes = Buffer.concat(lines);
    try {
      for (let written = 0; written < bytes.length; ) written += writeSync(this.#log, bytes, written);
    } catch (error) {
      // A full disk must not stop the container: its output is dropped until there is room again.
      this.#options.logger.warn("Writing container log failed", { logPath: this.#options.logPath, error });
    }
  }

  #closeLog(): void {
    if (this.#log !== undefined) closeSync(this.#log);
    this.#log = undefined;
  }
}
