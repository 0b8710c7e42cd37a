// A service whose messages are text, and a client of it by @grpc/grpc-js. For the suite that every driver passes.
import {
  type CallOptions,
  type ClientDuplexStream,
  type ClientOptions,
  type ClientReadableStream,
  type ClientWritableStream,
  credentials,
  Client as GrpcClient,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { silentLogger } from "@lenj/base";
import { Listener } from "../listener.js";
import type { DuplexHandler, RpcDriver, RpcDriverOptions, RpcMethod, RpcService, ServerStreamHandler, UnaryHandler } from "../port.js";

const serviceName = "lenj.test.Text";
const encode = (text: string): Buffer => Buffer.from(text);
const decode = (bytes: Buffer): string => bytes.toString();

export const pathOf = (method: string): string => `/${serviceName}/${method}`;

function method(name: string, requestStream: boolean, responseStream: boolean): RpcMethod {
  return {
    path: pathOf(name),
    requestStream,
    responseStream,
    requestDeserialize: (bytes) => {
      const text = decode(bytes);
      if (text === "undecodable") throw new Error("cannot decode");
      return text;
    },
    responseSerialize: encode,
  };
}

export const textService: RpcService = {
  ask: method("Ask", false, false),
  list: method("List", false, true),
  collect: method("Collect", true, false),
  talk: method("Talk", true, true),
  missing: method("Missing", false, false),
};

export interface TextHandlers {
  readonly ask?: UnaryHandler<string, string>;
  readonly list?: ServerStreamHandler<string, string>;
  readonly collect?: DuplexHandler<string, string>;
  readonly talk?: DuplexHandler<string, string>;
}

/** An error that a handler throws with the status it wants. */
export class TextError extends Error {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

export type DriverFactory = (options: RpcDriverOptions) => RpcDriver;

export const receiveBytesMax = 1_024 * 1_024;

export interface TextServer {
  readonly driver: RpcDriver;
  readonly port: number;
  /** Paths and codes of calls that have ended. */
  readonly done: string[];
  client(options?: ClientOptions): TextClient;
  close(): Promise<void>;
}

export async function startTextServer(
  factory: DriverFactory,
  handlers: TextHandlers,
  options: Partial<RpcDriverOptions> = {},
): Promise<TextServer> {
  const done: string[] = [];
  const driver = factory({
    receiveBytesMax,
    toStatus: (error) => (error instanceof TextError ? { code: error.code, details: error.message } : { code: 2, details: String(error) }),
    onDone: (path, code) => void done.push(`${path} ${code}`),
    logger: silentLogger,
    ...options,
  });
  driver.addService(textService, handlers as Readonly<Record<string, (first: never, second: never) => unknown>>);
  const listener = await Listener.listen({ host: "127.0.0.1", port: 0, rpc: driver });
  const clients: TextClient[] = [];
  return {
    driver,
    port: listener.port,
    done,
    client: (clientOptions) => {
      const client = new TextClient(listener.port, clientOptions);
      clients.push(client);
      return client;
    },
    close: async () => {
      for (const client of clients) client.close();
      await Promise.all([driver.close(), listener.close()]);
    },
  };
}

export class TextClient {
  readonly #client: GrpcClient;

  constructor(port: number, options: ClientOptions = {}) {
    this.#client = new GrpcClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
      "grpc.max_receive_message_length": -1,
      ...options,
    });
  }

  /** Rejects with a ServiceError. */
  ask(text: string, options: CallOptions & { readonly metadata?: Metadata; readonly path?: string } = {}): Promise<string> {
    const { metadata = new Metadata(), path = pathOf("Ask"), ...rest } = options;
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(path, encode, decode, text, metadata, rest, (error, answer) =>
        error === null ? resolve(answer ?? "") : reject(error),
      );
    });
  }

  /** The same, with the call at hand to cancel it. */
  startAsk(text: string): { readonly answer: Promise<string>; cancel(): void } {
    let cancel = (): void => {};
    const answer = new Promise<string>((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(pathOf("Ask"), encode, decode, text, (error, value) =>
        error === null ? resolve(value ?? "") : reject(error),
      );
      cancel = () => call.cancel();
    });
    return { answer, cancel };
  }

  list(text: string, options: CallOptions = {}): ClientReadableStream<string> {
    return this.#client.makeServerStreamRequest(pathOf("List"), encode, decode, text, options);
  }

  collect(): { readonly call: ClientWritableStream<string>; readonly answer: Promise<string> } {
    let call: ClientWritableStream<string> | undefined;
    const answer = new Promise<string>((resolve, reject) => {
      call = this.#client.makeClientStreamRequest(pathOf("Collect"), encode, decode, (error, value) =>
        error === null ? resolve(value ?? "") : reject(error),
      );
    });
    return { call: call as unknown as ClientWritableStream<string>, answer };
  }

  talk(options: CallOptions = {}): ClientDuplexStream<string, string> {
    return this.#client.makeBidiStreamRequest(pathOf("Talk"), encode, decode, options);
  }

  close(): void {
    this.#client.close();
  }
}

/** Everything that comes until the stream ends; rejects with its ServiceError. */
export function allOf(stream: ClientReadableStream<string> | ClientDuplexStream<string, string>): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const messages: string[] = [];
    stream.on("data", (message: string) => messages.push(message));
    stream.on("error", reject);
    stream.on("end", () => resolve(messages));
  });
}

/** "code details" of the failure that is expected; throws when there is none. */
export async function failureOf(answer: Promise<unknown>): Promise<string> {
  try {
    await answer;
  } catch (error) {
    const { code, details } = error as ServiceError;
    return `${code} ${details}`;
  }
  throw new Error("The call has not failed");
}

/** Looks again with every turn of the loop. */
export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve));
}
