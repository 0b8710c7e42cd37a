// One of the two servers under comparison: its process, its answers, what its watches have said.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Client, type ClientDuplexStream, credentials, type ServiceError } from "@grpc/grpc-js";
import { etcdserverpb } from "@lenj/proto/etcd";
import { eventually, freePort } from "@lenj/store/testing";
import { methods, type UnaryRequest } from "./requests.js";

export type Answer = { readonly response: unknown } | { readonly code: number; readonly details: string };

/** A watch's history without how it was cut into messages. */
export interface WatchLog {
  readonly lines: string[];
}

interface Method {
  readonly path: string;
  requestSerialize(message: never): Buffer;
  responseDeserialize(bytes: Buffer): unknown;
}

export class Subject {
  readonly watches = new Map<number, WatchLog>();
  readonly #client: Client;
  /** Opened once the server answers. */
  #stream: ClientDuplexStream<etcdserverpb.WatchRequest, etcdserverpb.WatchResponse> | undefined;
  /** Answers of the stream that were no events: created, canceled. */
  controlMessages = 0;

  private constructor(
    readonly name: string,
    private readonly process: ChildProcess,
    url: string,
  ) {
    this.#client = new Client(new URL(url).host, credentials.createInsecure());
  }

  /** Starts `command` with etcd's flags in `folder`, and waits until it answers. */
  static async start(name: string, command: readonly [string, ...string[]], folder: string): Promise<Subject> {
    const [client, peer] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
    const flags = [
      `--name=${name}`,
      `--data-dir=${folder}/${name}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=${name}=${peer}`,
    ];
    const child = spawn(command[0], [...command.slice(1), ...flags], { stdio: "ignore" });
    const subject = new Subject(name, child, client);
    await eventually(async () => {
      const answer = await subject.ask({ name: "KV/Range", message: etcdserverpb.RangeRequest.fromPartial({ key: Buffer.from("ready") }) });
      return "response" in answer ? true : undefined;
    });
    subject.#openStream();
    return subject;
  }

  ask(request: UnaryRequest): Promise<Answer> {
    const method = methods[request.name] as unknown as Method;
    return new Promise((resolve) => {
      this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize as (message: unknown) => Buffer,
        method.responseDeserialize,
        request.message,
        (error: ServiceError | null, response?: unknown) =>
          resolve(error === null ? { response } : { code: error.code, details: error.details }),
      );
    });
  }

  say(message: etcdserverpb.WatchRequest): void {
    this.#stream?.write(message);
  }

  async close(): Promise<void> {
    this.#stream?.cancel();
    this.#client.close();
    const exited = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await exited;
  }

  #openStream(): void {
    const { path, requestSerialize, responseDeserialize } = etcdserverpb.WatchService.watch;
    this.#stream = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    this.#stream.on("data", (response: etcdserverpb.WatchResponse) => this.#onWatch(response));
    this.#stream.on("error", () => {});
  }

  #onWatch(response: etcdserverpb.WatchResponse): void {
    const id = Number(response.watchId);
    const log = this.watches.get(id) ?? { lines: [] };
    this.watches.set(id, log);
    if (response.created || response.canceled) {
      this.controlMessages += 1;
      log.lines.push(
        `created=${response.created} canceled=${response.canceled} compact=${response.compactRevision} reason=${response.cancelReason}`,
      );
    }
    for (const event of response.events) log.lines.push(JSON.stringify(event, plain));
  }
}

/** For JSON: 64-bit numbers as text, bytes as hex. */
export function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "object" && value !== null && (value as { type?: string }).type === "Buffer")
    return Buffer.from((value as { data: number[] }).data).toString("hex");
  return value;
}
