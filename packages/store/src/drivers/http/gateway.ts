// The JSON gateway: etcd's methods for clients that have HTTP and JSON but no gRPC.
//
// Owns:  the translation of a request, and of what its handler answers, between protobuf's JSON form and the services.
// G1. A call from here passes the same rules as one by gRPC, but never as the user of a client certificate: behind a proxy that
//     would be the proxy's.
// G2. JSON is protobuf's mapping with the field names of the .proto files: bytes in base64, 64-bit numbers as strings, enums by name
//     (or number, in requests), defaults left out, unknown fields ignored.
// Source: grpc-gateway v2, etcd server/embed/serve.go.
import type { IncomingMessage, ServerResponse } from "node:http";
import { createFileRegistry, type DescMessage, fromBinary, fromJsonString, toBinary, toJson } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { etcdDescriptorSet } from "@lenj/proto/etcd";
import type { DuplexHandler, RpcCall, RpcMethod, RpcStatus, ServerStreamHandler, UnaryHandler } from "@lenj/rpc-server";
import { grpcStatus } from "../../core/errors.js";
import { gatewayRoutes } from "../../services/gateway-routes.js";
import type { ClientService } from "../../services/index.js";
import { GatewayCall, GatewayStream } from "./gateway-call.js";
import { JSONValues } from "./json-values.js";

export interface GatewayOptions {
  readonly services: readonly ClientService[];
  readonly toStatus: (error: unknown) => RpcStatus;
  /** As for calls by gRPC. */
  readonly onCall: (call: RpcCall) => void;
  readonly bodyBytesMax: number;
}

interface Route {
  readonly method: RpcMethod;
  readonly handler: unknown;
  readonly input: DescMessage;
  readonly output: DescMessage;
}

const httpCodes: Readonly<Record<number, number>> = {
  [grpcStatus.CANCELLED]: 499,
  [grpcStatus.INVALID_ARGUMENT]: 400,
  [grpcStatus.DEADLINE_EXCEEDED]: 504,
  [grpcStatus.NOT_FOUND]: 404,
  [grpcStatus.PERMISSION_DENIED]: 403,
  [grpcStatus.RESOURCE_EXHAUSTED]: 429,
  [grpcStatus.FAILED_PRECONDITION]: 400,
  [grpcStatus.OUT_OF_RANGE]: 400,
  [grpcStatus.UNIMPLEMENTED]: 501,
  [grpcStatus.UNAVAILABLE]: 503,
  [grpcStatus.UNAUTHENTICATED]: 401,
};

export class Gateway {
  readonly #routes = new Map<string, Route>();
  readonly #registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, Buffer.from(etcdDescriptorSet, "base64")));

  constructor(readonly options: GatewayOptions) {
    const byPath = new Map<string, Pick<Route, "method" | "handler">>();
    for (const { definition, handlers } of options.services) {
      for (const [name, method] of Object.entries(definition)) {
        if (handlers[name] !== undefined) byPath.set(method.path, { method, handler: handlers[name] });
      }
    }
    for (const [path, rpcPath] of gatewayRoutes) {
      const found = byPath.get(rpcPath);
      const [, service = "", name = ""] = rpcPath.split("/");
      const description = this.#registry.getService(service)?.methods.find((method) => method.name === name);
      if (found !== undefined && description !== undefined)
        this.#routes.set(path, { ...found, input: description.input, output: description.output });
    }
  }

  /** Returns false, having written nothing, when the path is none of the gateway's. */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    const path = new URL(request.url ?? "/", "http://store").pathname.replace(/^\/v3beta\//, "/v3/");
    if (!path.startsWith("/v3/")) return false;
    const route = this.#routes.get(path);
    if (route === undefined) this.#fail(response, { code: grpcStatus.NOT_FOUND, details: "Not Found" });
    else if (request.method !== "POST") this.#fail(response, { code: grpcStatus.UNIMPLEMENTED, details: "Method Not Allowed" });
    else if (route.method.requestStream) this.#duplex(route, request, response);
    else this.#single(route, request, response).catch((error: unknown) => this.#fail(response, this.options.toStatus(error)));
    return true;
  }

  async #single(route: Route, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await this.#readBody(request);
    if (body === undefined) {
      this.#fail(response, { code: grpcStatus.RESOURCE_EXHAUSTED, details: "request is too large" });
      return;
    }
    const message = this.#decode(route, body === "" ? "{}" : body);
    if ("problem" in message) {
      this.#fail(response, { code: grpcStatus.INVALID_ARGUMENT, details: message.problem });
      return;
    }
    if (route.method.responseStream) {
      const stream = this.#stream(route, request, response);
      stream.run(() => {
        this.options.onCall(stream);
        (route.handler as ServerStreamHandler<unknown, unknown>)(message.value, stream);
      });
      return;
    }
    const call = new GatewayCall(route.method.path, request, response);
    this.options.onCall(call);
    const answer = await (route.handler as UnaryHandler<unknown, unknown>)(message.value, call);
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(this.#encode(route, answer)));
  }

  #duplex(route: Route, request: IncomingMessage, response: ServerResponse): void {
    const stream = this.#stream(route, request, response);
    const values = new JSONValues();
    stream.run(() => {
      this.options.onCall(stream);
      (route.handler as DuplexHandler<unknown, unknown>)(stream);
    });
    const refuse = (problem: string): void => stream.failWith({ code: grpcStatus.INVALID_ARGUMENT, details: problem });
    request.setEncoding("utf8");
    request.on("data", (part: string) => {
      for (const text of values.push(part)) {
        const message = this.#decode(route, text);
        if ("problem" in message) return refuse(message.problem);
        stream.run(() => stream.onMessage(message.value));
      }
      if (values.rest.length > this.options.bodyBytesMax) refuse("request is too large");
    });
    request.on("end", () => (values.rest === "" ? stream.onHalfClose() : refuse("unexpected EOF")));
  }

  #stream(route: Route, request: IncomingMessage, response: ServerResponse): GatewayStream {
    return new GatewayStream(route.method.path, request, response, {
      encode: (message) => `${JSON.stringify({ result: this.#encode(route, message) })}\n`,
      toStatus: this.options.toStatus,
      refuse: (status) => this.#fail(response, status),
    });
  }

  #decode(route: Route, text: string): { readonly value: unknown } | { readonly problem: string } {
    try {
      const message = fromJsonString(route.input, text, { ignoreUnknownFields: true, registry: this.#registry });
      return { value: route.method.requestDeserialize(Buffer.from(toBinary(route.input, message))) };
    } catch (error) {
      return { problem: error instanceof Error ? error.message : String(error) };
    }
  }

  /** By way of the wire, because some handlers answer with what is encoded already. */
  #encode(route: Route, answer: unknown): unknown {
    const message = fromBinary(route.output, route.method.responseSerialize(answer as never));
    return toJson(route.output, message, { useProtoFieldName: true, registry: this.#registry });
  }

  /** The text, or undefined when it is longer than allowed. */
  async #readBody(request: IncomingMessage): Promise<string | undefined> {
    const parts: Buffer[] = [];
    let bytes = 0;
    for await (const part of request as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > this.options.bodyBytesMax) return undefined;
      parts.push(part);
    }
    return Buffer.concat(parts).toString();
  }

  #fail(response: ServerResponse, { code, details }: RpcStatus): void {
    // Older clients look for the text under "error".
    const body = JSON.stringify({ error: details, code, message: details, details: [] });
    response.writeHead(httpCodes[code] ?? 500, { "content-type": "application/json" }).end(body);
  }
}
