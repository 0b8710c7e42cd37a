// ApiClient over the Kubernetes REST API in JSON: works against any conforming api-server.
import type { Clock } from "@lenj/base";
import type { metav1 } from "@lenj/proto/k8s";
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
import { ApiError, apiErrorFromBody, unavailableError } from "../../errors.js";
import { encodeDeleteOptions } from "../delete-options.js";
import { HttpConnection, type HttpResponse } from "./http-connection.js";
import { readLines } from "./read-lines.js";
import { resourcePath } from "./resource-path.js";

const UNARY_DEADLINE_MS = 60_000;

const patchContentTypes: Readonly<Record<Patch["type"], string>> = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
};

interface Call {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly body?: string;
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
}

export class RestApiClient implements ApiClient {
  readonly #connection: HttpConnection;
  readonly #token: TokenSource;
  readonly #userAgent: string;
  readonly #clock: Clock;

  constructor(config: ClientConfig, clock: Clock) {
    this.#connection = new HttpConnection(config, clock);
    this.#token = createTokenSource(config, clock);
    this.#userAgent = config.userAgent ?? "lenj";
    this.#clock = clock;
  }

  get<T extends KubeObject>(
    gvr: GroupVersionResource,
    key: ObjectKey,
    options?: CallOptions & { readonly subresource?: string },
  ): Promise<T> {
    return this.#json<T>({
      method: "GET",
      path: resourcePath(gvr, { ...key, subresource: options?.subresource }),
      signal: options?.signal,
    });
  }

  async list<T extends KubeObject>(gvr: GroupVersionResource, options: ListOptions = {}): Promise<ListResult<T>> {
    const { namespace, signal, ...query } = options;
    type List = KubeObject & { items?: T[] | null; metadata?: metav1.ListMeta };
    const list = await this.#json<List>({ method: "GET", path: resourcePath(gvr, { namespace, query: { ...query } }), signal });
    const next = list.metadata?.continue;
    return {
      items: list.items ?? [],
      resourceVersion: list.metadata?.resourceVersion ?? "",
      ...(next !== undefined && next !== "" && { continue: next }),
    };
  }

  async *watch<T extends KubeObject>(gvr: GroupVersionResource, options: WatchOptions = {}): AsyncGenerator<WatchEvent<T>, void> {
    const query = {
      watch: true,
      labelSelector: options.labelSelector,
      fieldSelector: options.fieldSelector,
      resourceVersion: options.resourceVersion,
      allowWatchBookmarks: options.allowBookmarks,
      timeoutSeconds: options.timeoutSeconds,
      ...(options.sendInitialEvents === true && { sendInitialEvents: true, resourceVersionMatch: "NotOlderThan" }),
    };
    const path = resourcePath(gvr, { namespace: options.namespace, query });
    const response = await this.#send({ method: "GET", path, signal: options.signal });
    if (response.code !== 200) throw apiErrorFromBody(response.code, await readBody(response));
    try {
      for await (const line of readLines(response.body)) yield JSON.parse(line) as WatchEvent<T>;
    } catch (error) {
      options.signal?.throwIfAborted();
      throw error instanceof ApiError ? error : unavailableError(messageOf(error), error);
    } finally {
      response.body.on("error", () => {});
      response.body.destroy();
    }
  }

  create<T extends KubeObject, R extends KubeObject = T>(gvr: GroupVersionResource, object: T, options: CreateOptions = {}): Promise<R> {
    const namespace = options.namespace ?? object.metadata?.namespace;
    const path = resourcePath(gvr, { namespace, name: options.name, subresource: options.subresource, query: queryOf(options) });
    return this.#json<R>({ method: "POST", path, body: JSON.stringify(object), signal: options.signal });
  }

  update<T extends KubeObject>(gvr: GroupVersionResource, object: T, options: WriteOptions = {}): Promise<T> {
    const { namespace, name } = object.metadata ?? {};
    const path = resourcePath(gvr, { namespace, name, subresource: options.subresource, query: queryOf(options) });
    return this.#json<T>({ method: "PUT", path, body: JSON.stringify(object), signal: options.signal });
  }

  patch<T extends KubeObject>(gvr: GroupVersionResource, key: ObjectKey, patch: Patch, options: WriteOptions = {}): Promise<T> {
    const query = { ...queryOf(options), ...(patch.force === true && { force: true }) };
    const path = resourcePath(gvr, { ...key, subresource: options.subresource, query });
    return this.#json<T>({
      method: "PATCH",
      path,
      body: JSON.stringify(patch.body),
      contentType: patchContentTypes[patch.type],
      signal: options.signal,
    });
  }

  async delete(gvr: GroupVersionResource, key: ObjectKey, options: DeleteOptions = {}): Promise<void> {
    await this.#json({ method: "DELETE", path: resourcePath(gvr, key), body: encodeDeleteOptions(options), signal: options.signal });
  }

  async deleteCollection(gvr: GroupVersionResource, select: SelectOptions, options: DeleteOptions = {}): Promise<void> {
    const { namespace, ...query } = select;
    await this.#json({
      method: "DELETE",
      path: resourcePath(gvr, { namespace, query: { ...query } }),
      body: encodeDeleteOptions(options),
      signal: options.signal,
    });
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async #json<T>(call: Call): Promise<T> {
    const deadline = new AbortController();
    const timer = this.#clock.after(UNARY_DEADLINE_MS, () =>
      deadline.abort(unavailableError("context deadline exceeded while awaiting an answer")),
    );
    const signal = call.signal === undefined ? deadline.signal : AbortSignal.any([call.signal, deadline.signal]);
    try {
      const response = await this.#send({ ...call, signal });
      const body = await readBody(response);
      if (response.code < 200 || response.code > 299) throw apiErrorFromBody(response.code, body);
      return JSON.parse(body) as T;
    } catch (error) {
      signal.throwIfAborted();
      throw error instanceof ApiError ? error : unavailableError(messageOf(error), error);
    } finally {
      timer.cancel();
    }
  }

  async #send(call: Call): Promise<HttpResponse> {
    const token = this.#token();
    const headers = {
      accept: "application/json",
      "user-agent": this.#userAgent,
      ...(call.body !== undefined && { "content-type": call.contentType ?? "application/json" }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    };
    try {
      return await this.#connection.send({
        method: call.method,
        path: call.path,
        headers,
        ...(call.body !== undefined && { body: call.body }),
        signal: call.signal,
      });
    } catch (error) {
      call.signal?.throwIfAborted();
      throw unavailableError(messageOf(error), error);
    }
  }
}

function queryOf(options: WriteOptions): Record<string, string | undefined> {
  return { dryRun: options.dryRun === true ? "All" : undefined, fieldManager: options.fieldManager };
}

async function readBody(response: HttpResponse): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response.body) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
