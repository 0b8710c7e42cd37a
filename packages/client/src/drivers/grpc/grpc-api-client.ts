// ApiClient over lenj.api.v1: one HTTP/2 channel carries every call and every watch of a process.
//
// Owns:  the channel and the calls in flight.
// Not:   retrying (callers and informers decide), caching.
// Bodies are JSON: parsing it is native, and one representation serves both transports.
import { Client, type ClientReadableStream, Metadata, type MethodDefinition, type ServiceError } from "@grpc/grpc-js";
import type { Clock } from "@lenj/base";
import {
  ContentType,
  PatchRequest_Type,
  type ResourceRef,
  ResourceServiceService,
  WatchEvent_Type,
  type Object as WireObject,
} from "@lenj/proto/lenj";
import type {
  ApiClient,
  CallOptions,
  CreateOptions,
  DeleteOptions,
  GroupVersionResource,
  KubeObject,
  ListOptions,
  ListResult,
  ObjectKey,
  Patch,
  SelectOptions,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from "../../api-client.js";
import type { ClientConfig } from "../../config/client-config.js";
import { createTokenSource, type TokenSource } from "../../config/token-source.js";
import { encodeDeleteOptions } from "../delete-options.js";
import { channelCredentials, channelOptions } from "./channel.js";
import { apiErrorFromServiceError } from "./service-error.js";
import { streamMessages } from "./stream-messages.js";

/** A call without an answer ends after this; watches and lists have no deadline, keep-alive pings notice dead peers. */
const UNARY_DEADLINE_MS = 60_000;

const patchTypes: Readonly<Record<Patch["type"], PatchRequest_Type>> = {
  json: PatchRequest_Type.JSON_PATCH,
  merge: PatchRequest_Type.MERGE_PATCH,
  strategic: PatchRequest_Type.STRATEGIC_MERGE_PATCH,
  apply: PatchRequest_Type.APPLY_PATCH,
};

const eventTypes = {
  [WatchEvent_Type.ADDED]: "ADDED",
  [WatchEvent_Type.MODIFIED]: "MODIFIED",
  [WatchEvent_Type.DELETED]: "DELETED",
  [WatchEvent_Type.BOOKMARK]: "BOOKMARK",
  [WatchEvent_Type.ERROR]: "ERROR",
} as const;

export class GrpcApiClient implements ApiClient {
  readonly #client: Client;
  readonly #token: TokenSource;
  readonly #clock: Clock;
  readonly #fieldManager: string;

  constructor(config: ClientConfig & { readonly grpcServer: string }, clock: Clock) {
    this.#client = new Client(config.grpcServer, channelCredentials(config), channelOptions(config));
    this.#token = createTokenSource(config, clock);
    this.#clock = clock;
    this.#fieldManager = (config.userAgent ?? "").split("/")[0] ?? "";
  }

  async get<T extends KubeObject>(
    gvr: GroupVersionResource,
    key: ObjectKey,
    options?: CallOptions & { readonly subresource?: string },
  ): Promise<T> {
    const ref = refOf(gvr, { ...key, subresource: options?.subresource });
    const request = { ref, resourceVersion: "", accept: ContentType.CONTENT_TYPE_JSON };
    return decode<T>(await this.#unary(ResourceServiceService.get, request, options?.signal));
  }

  async list<T extends KubeObject>(gvr: GroupVersionResource, options: ListOptions = {}): Promise<ListResult<T>> {
    const request = {
      ref: refOf(gvr, { namespace: options.namespace }),
      ...selectorsOf(options),
      resourceVersion: options.resourceVersion ?? "",
      resourceVersionMatch: options.resourceVersionMatch ?? "",
      limit: options.limit ?? 0,
      continue: options.continue ?? "",
      accept: ContentType.CONTENT_TYPE_JSON,
    };
    const items: T[] = [];
    let resourceVersion = "";
    let continueToken = "";
    for await (const chunk of this.#stream(ResourceServiceService.list, request, options.signal)) {
      for (const item of chunk.items) items.push(JSON.parse(item.toString("utf8")) as T);
      resourceVersion = chunk.resourceVersion;
      continueToken = chunk.continue;
    }
    return { items, resourceVersion, ...(continueToken !== "" && { continue: continueToken }) };
  }

  async *watch<T extends KubeObject>(gvr: GroupVersionResource, options: WatchOptions = {}): AsyncGenerator<WatchEvent<T>, void> {
    const request = {
      ref: refOf(gvr, { namespace: options.namespace }),
      ...selectorsOf(options),
      resourceVersion: options.resourceVersion ?? "",
      allowBookmarks: options.allowBookmarks ?? false,
      sendInitialEvents: options.sendInitialEvents ?? false,
      timeoutSeconds: options.timeoutSeconds ?? 0,
      accept: ContentType.CONTENT_TYPE_JSON,
    };
    for await (const event of this.#stream(ResourceServiceService.watch, request, options.signal)) {
      const type = eventTypes[event.type as keyof typeof eventTypes];
      if (type !== undefined) yield { type, object: JSON.parse(event.data.toString("utf8")) } as WatchEvent<T>;
    }
  }

  async create<T extends KubeObject, R extends KubeObject = T>(
    gvr: GroupVersionResource,
    object: T,
    options: CreateOptions = {},
  ): Promise<R> {
    const namespace = options.namespace ?? object.metadata?.namespace;
    const ref = refOf(gvr, { namespace, name: options.name, subresource: options.subresource });
    const request = { ref, object: encode(object), options: this.#writeOptions(options) };
    return decode<R>(await this.#unary(ResourceServiceService.create, request, options.signal));
  }

  async update<T extends KubeObject>(gvr: GroupVersionResource, object: T, options: WriteOptions = {}): Promise<T> {
    const { namespace, name } = object.metadata ?? {};
    const ref = refOf(gvr, { namespace, name, subresource: options.subresource });
    const request = { ref, object: encode(object), options: this.#writeOptions(options) };
    return decode<T>(await this.#unary(ResourceServiceService.update, request, options.signal));
  }

  async patch<T extends KubeObject>(gvr: GroupVersionResource, key: ObjectKey, patch: Patch, options: WriteOptions = {}): Promise<T> {
    const request = {
      ref: refOf(gvr, { ...key, subresource: options.subresource }),
      type: patchTypes[patch.type],
      patch: Buffer.from(JSON.stringify(patch.body)),
      options: this.#writeOptions(options),
      force: patch.force ?? false,
    };
    return decode<T>(await this.#unary(ResourceServiceService.patch, request, options.signal));
  }

  async delete(gvr: GroupVersionResource, key: ObjectKey, options: DeleteOptions = {}): Promise<void> {
    await this.#unary(
      ResourceServiceService.delete,
      { ref: refOf(gvr, key), options: Buffer.from(encodeDeleteOptions(options)) },
      options.signal,
    );
  }

  async deleteCollection(gvr: GroupVersionResource, select: SelectOptions, options: DeleteOptions = {}): Promise<void> {
    const request = {
      ref: refOf(gvr, { namespace: select.namespace }),
      ...selectorsOf(select),
      options: Buffer.from(encodeDeleteOptions(options)),
    };
    await this.#unary(ResourceServiceService.deleteCollection, request, options.signal);
  }

  async close(): Promise<void> {
    this.#client.close();
    await Promise.resolve();
  }

  #metadata(): Metadata {
    const metadata = new Metadata();
    const token = this.#token();
    if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
    return metadata;
  }

  #writeOptions(options: WriteOptions): { dryRun: boolean; fieldManager: string; fieldValidation: string } {
    return { dryRun: options.dryRun ?? false, fieldManager: options.fieldManager ?? this.#fieldManager, fieldValidation: "" };
  }

  #unary<Req, Res>(method: MethodDefinition<Req, Res>, request: Req, signal: AbortSignal | undefined): Promise<Res> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const settle = (error: ServiceError | null, response?: Res): void => {
        signal?.removeEventListener("abort", onAbort);
        if (error === null && response !== undefined) resolve(response);
        else reject(signal?.aborted ? (signal.reason as Error) : apiErrorFromServiceError(error));
      };
      const deadline = this.#clock.wallMs() + UNARY_DEADLINE_MS;
      const call = this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        this.#metadata(),
        { deadline },
        settle,
      );
      const onAbort = (): void => call.cancel();
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  #stream<Req, Res>(method: MethodDefinition<Req, Res>, request: Req, signal: AbortSignal | undefined): AsyncIterable<Res> {
    const open = (): ClientReadableStream<Res> =>
      this.#client.makeServerStreamRequest(method.path, method.requestSerialize, method.responseDeserialize, request, this.#metadata());
    return streamMessages(open, signal);
  }
}

interface RefParts {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

function refOf(gvr: GroupVersionResource, parts: RefParts): ResourceRef {
  return { ...gvr, namespace: parts.namespace ?? "", name: parts.name ?? "", subresource: parts.subresource ?? "" };
}

function selectorsOf(select: SelectOptions): { labelSelector: string; fieldSelector: string } {
  return { labelSelector: select.labelSelector ?? "", fieldSelector: select.fieldSelector ?? "" };
}

function encode(object: KubeObject): WireObject {
  return { contentType: ContentType.CONTENT_TYPE_JSON, data: Buffer.from(JSON.stringify(object)), warnings: [] };
}

function decode<T>(object: WireObject): T {
  return JSON.parse(object.data.toString("utf8")) as T;
}
