// What happens on a stream: one function for each of exec, attach and port-forward.
import { constants, openSync } from "node:fs";
import { open } from "node:fs/promises";
import { Socket } from "node:net";
import type { AttachRequest, ExecRequest, PortForwardRequest } from "@lenj/proto/cri";
import { closeStdinMessage, encodeResize } from "../../core/launch/relay-steps.js";
import { exitCodeOf } from "../../core/launch/reports.js";
import {
  type CommandStatus,
  exitStatus,
  failureStatus,
  parseResize,
  resizeChannel,
  statusChannel,
  stderrChannel,
  stdinChannel,
  stdoutChannel,
} from "../../core/stream-protocols.js";
import { describeExecError } from "../containers.js";
import { killExec } from "../cri-runtime-service.js";
import { LaunchError } from "../launcher.js";
import { pipe } from "../layout.js";
import type { Runtime } from "../runtime.js";
import type { ChannelSocket } from "./channel-socket.js";

export async function serveExec(runtime: Runtime, request: ExecRequest, channels: ChannelSocket): Promise<void> {
  const program = runtime.exec(request.containerId, { argv: request.cmd, terminal: request.tty, stdin: request.stdin });
  let ended = false;
  channels.socket.once("close", () => {
    if (!ended) killExec(program);
  });
  channels.listen(
    (channel, bytes) => {
      if (channel === stdinChannel && request.stdin) program.stdin.write(bytes);
      if (channel === resizeChannel && request.tty) sendResize(bytes, (message) => program.control.write(message));
    },
    (channel) => {
      if (channel === stdinChannel) program.stdin.end();
    },
  );
  if (!request.stdin) program.stdin.end();
  const outputs = [channels.pipeFrom(stdoutChannel, program.stdout), channels.pipeFrom(stderrChannel, program.stderr)];
  let status: CommandStatus;
  try {
    await program.started;
    const waitStatus = await program.exited;
    await Promise.all(outputs);
    status = exitStatus(exitCodeOf(waitStatus));
  } catch (error) {
    status = failureStatus(describeFailure(request, error));
  }
  ended = true;
  sendStatus(channels, status);
  for (const stream of [program.stdin, program.control]) stream.destroy();
}

function describeFailure(request: ExecRequest, error: unknown): string {
  if (!(error instanceof LaunchError)) return `error executing command in container: ${(error as Error).message}`;
  const reason = error.call.startsWith("execve") ? describeExecError(request.cmd[0] ?? "", error) : error.message;
  return `error executing command in container: failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: unable to start container process: ${reason}: unknown`;
}

/** An exit of 0 is a Status in the structured protocols and nothing in the old ones. */
function sendStatus(channels: ChannelSocket, status: CommandStatus): void {
  if (channels.protocol.structuredStatus) channels.send(statusChannel, Buffer.from(JSON.stringify(status)));
  else if (status.status === "Failure") channels.send(statusChannel, Buffer.from(status.message ?? ""));
}

function sendResize(bytes: Buffer, send: (message: Uint8Array) => void): void {
  const size = parseResize(bytes.toString("utf8"));
  if (size !== undefined) send(encodeResize(size.columns, size.rows));
}

export async function serveAttach(runtime: Runtime, request: AttachRequest, channels: ChannelSocket): Promise<void> {
  const record = runtime.containers.get(request.containerId);
  const output = runtime.containers.outputOf(record.id);
  if (output === undefined) return sendStatus(channels, failureStatus("container is not running"));
  const { layout } = runtime.environment;
  const input = request.stdin && record.config.stdin ? openInput(pipe(layout, record.id, "stdin")) : undefined;
  const sendControl = async (message: Uint8Array): Promise<void> => {
    // Each message by itself: the shim's end is opened for reading and writing, so this never waits.
    const control = await open(pipe(layout, record.id, "control"), constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      await control.write(message);
    } finally {
      await control.close();
    }
  };
  const endInput = (): void => {
    input?.end();
    if (input !== undefined && record.config.stdinOnce && !record.config.tty) sendControl(closeStdinMessage).catch(() => {}); // The container has ended.
  };
  const stop = output.listen((stream, chunk) => {
    if (stream === "stdout" ? request.stdout || record.config.tty : request.stderr)
      channels.send(stream === "stdout" ? stdoutChannel : stderrChannel, chunk);
    if (channels.socket.bufferedAmount > attachedBacklogBytesMax) channels.socket.terminate();
  });
  channels.listen(
    (channel, bytes) => {
      if (channel === stdinChannel) input?.write(bytes);
      if (channel === resizeChannel && record.config.tty) sendResize(bytes, (message) => void sendControl(message).catch(() => {})); // The container has ended.
    },
    (channel) => {
      if (channel === stdinChannel) endInput();
    },
  );
  const closed = new Promise<void>((resolve) => channels.socket.once("close", () => resolve()));
  await Promise.race([output.drained, closed]);
  stop();
  endInput();
  sendStatus(channels, exitStatus(0));
}

/** A listener that stays behind by more than this loses its connection rather than stopping the container. */
const attachedBacklogBytesMax = 8 * 1024 * 1024;

function openInput(path: string): Socket {
  const socket = new Socket({ fd: openSync(path, constants.O_WRONLY | constants.O_NONBLOCK), readable: false, writable: true });
  socket.on("error", () => {}); // The container closed its standard input.
  return socket;
}

/** Per port a data and an error channel, in the order of the request; each starts with the port as 16-bit little endian. */
export async function servePortForward(runtime: Runtime, request: PortForwardRequest, channels: ChannelSocket): Promise<void> {
  const sandbox = runtime.getSandbox(request.podSandboxId);
  const ports = request.port;
  for (const [position, port] of ports.entries()) {
    const header = Buffer.alloc(2);
    header.writeUInt16LE(port);
    channels.send(position * 2, header);
    channels.send(position * 2 + 1, header);
  }
  const connections = ports.map((port) => runtime.forward(sandbox, port));
  channels.listen(
    (channel, bytes) => {
      if (channel % 2 === 0) connections[channel / 2]?.stdin.write(bytes);
    },
    (channel) => {
      if (channel % 2 === 0) connections[channel / 2]?.stdin.end();
    },
  );
  channels.socket.once("close", () => connections.forEach(killExec));
  await Promise.all(
    connections.map(async (connection, position) => {
      const copied = channels.pipeFrom(position * 2, connection.stdout);
      try {
        await connection.started;
        await copied;
      } catch (error) {
        const port = ports[position] as number;
        const reason =
          error instanceof LaunchError
            ? error.message.replace(/^connect /, "dial tcp4 ").replace(/: ([^:]*)$/, ": connect: $1")
            : (error as Error).message;
        channels.send(
          position * 2 + 1,
          Buffer.from(
            `error forwarding port ${port} to pod ${sandbox.id}, uid : failed to execute portforward in network namespace: failed to connect to localhost:${port} inside namespace: ${reason}`,
          ),
        );
      }
      connection.stdin.destroy();
      connection.control.destroy();
    }),
  );
}
