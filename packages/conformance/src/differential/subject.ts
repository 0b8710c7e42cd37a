// One of the servers under comparison: its process, its answers, what its watches have said.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Client, type ClientDuplexStream, credentials, Metadata, type MethodDefinition, type ServiceError } from "@grpc/grpc-js";
import { etcdserverpb } from "@lenj/proto/etcd";
import { eventually, freePort } from "@lenj/store/testing";
import { methods, type UnaryRequest } from "./methods.js";
import { WatchFeed } from "./watch-feed.js";

export type Answer = { readonly response: unknown } | { readonly code: number; readonly details: string };

/** A server that has not answered by then never will. */
const answerMsMax = 60_000;

export class Subject {
  readonly feed = new WatchFeed((message) => this.#stream?.write(message));
  readonly #client: Client;
  /** Opened once the server answers. */
  #stream: ClientDuplexStream<etcdserverpb.WatchRequest, etcdserverpb.WatchResponse> | undefined;
  /** By user: from the last time it authenticated. */
  readonly #tokens = new Map<string, string>();

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
      "--bcrypt-cost=4",
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

  async ask(request: UnaryRequest): Promise<Answer> {
    const metadata = new Metadata();
    const token = request.user === undefined ? undefined : this.#tokens.get(request.user);
    if (token !== undefined) metadata.set("token", token);
    const method = methods[request.name] as unknown as MethodDefinition<unknown, unknown>;
    const answer = await (method.requestStream ? this.#askStream : this.#askUnary).call(this, method, request.message, metadata);
    if (request.name === "Auth/Authenticate" && "response" in answer)
      this.#tokens.set((request.message as { name: string }).name, (answer.response as { token: string }).token);
    return answer;
  }

  async close(): Promise<void> {
    this.#stream?.cancel();
    this.#client.close();
    const exited = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await exited;
  }

  #askUnary(method: MethodDefinition<unknown, unknown>, message: unknown, metadata: Metadata): Promise<Answer> {
    return new Promise((resolve) => {
      const options = { deadline: Date.now() + answerMsMax };
      const { path, requestSerialize, responseDeserialize } = method;
      this.#client.makeUnaryRequest(path, requestSerialize, responseDeserialize, message, metadata, options, (error, response?: unknown) =>
        resolve(error === null ? { response } : failure(error)),
      );
    });
  }

  /** One message each way. */
  #askStream(method: MethodDefinition<unknown, unknown>, message: unknown, metadata: Metadata): Promise<Answer> {
    return new Promise((resolve) => {
      const options = { deadline: Date.now() + answerMsMax };
      const { path, requestSerialize, responseDeserialize } = method;
      const stream = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata, options);
      stream.on("error", (error: ServiceError) => resolve(failure(error)));
      stream.on("data", (response: unknown) => {
        resolve({ response });
        stream.end();
      });
      stream.write(message);
    });
  }

  #openStream(): void {
    const { path, requestSerialize, responseDeserialize } = etcdserverpb.WatchService.watch;
    this.#stream = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    this.#stream.on("data", (response: etcdserverpb.WatchResponse) => this.feed.onResponse(response));
    this.#stream.on("error", () => {});
    this.feed.observe();
  }
}

function failure({ code, details }: ServiceError): Answer {
  return { code, details };
}
