// The REST front without sockets: requests as clients write them, answers as they would arrive.
import { HealthChecks } from "@lenj/component-base";
import { Registry } from "prom-client";
import type { Authorizer, UserInfo } from "../auth/ports.js";
import { noOpenAPI } from "../drivers/openapi-documents.js";
import { createDocumentHandler } from "../rest/documents.js";
import type { Exchange } from "../rest/exchange.js";
import { Pipeline } from "../rest/pipeline.js";
import { createRequestMetrics } from "../rest/request-metrics.js";
import type { TestMachine } from "./test-machine.js";

export interface TestRequest {
  readonly headers?: Readonly<Record<string, string>>;
  /** Objects are sent as JSON. */
  readonly body?: object | string | Uint8Array;
}

export interface TestAnswer {
  readonly code: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
  /** Parsed from JSON. */
  readonly document: never;
}

/** A running watch: its lines so far. */
export interface TestWatch {
  readonly events: { readonly type: string; readonly object: { readonly metadata?: Record<string, unknown> } }[];
  stop(): Promise<void>;
}

const allowAll: Authorizer = { authorize: () => ({ decision: "allow", reason: "" }) };
const tester: UserInfo = { username: "tester", groups: ["system:authenticated"] };

export class TestFront {
  readonly pipeline: Pipeline;

  constructor(test: TestMachine, authorizer: Authorizer = allowAll, user: UserInfo = tester) {
    const { machine } = test;
    const metrics = new Registry();
    this.pipeline = new Pipeline({
      machine,
      authenticator: { authenticate: () => ({ outcome: "authenticated", user }) },
      authorizer,
      nonResource: createDocumentHandler({
        catalog: () => machine.catalog,
        openapi: noOpenAPI,
        build: { commit: "", buildDate: "1970-01-01T00:00:00Z", runtimeVersion: "v0", platform: "linux/amd64" },
        health: new HealthChecks(),
        metrics,
        serverAddress: () => "10.0.0.1:6443",
        wellKnown: [],
      }),
      maxRequestsInFlight: 0,
      maxMutatingRequestsInFlight: 0,
      requestTimeoutMs: 60_000,
      allowAnonymous: true,
      alwaysAllowPaths: [],
      metrics: createRequestMetrics(metrics, { watchers: () => 0, inFlight: () => 0 }),
      newAuditID: () => "audit",
    });
  }

  async request(method: string, url: string, request: TestRequest = {}): Promise<TestAnswer> {
    const received = new Received();
    await this.pipeline.serve(exchangeOf(method, url, request, received, new AbortController().signal));
    const bytes = Buffer.concat(received.chunks);
    const text = bytes.toString("utf8");
    return {
      code: received.code,
      headers: received.headers,
      bytes,
      document: (text.startsWith("{") ? JSON.parse(text) : undefined) as never,
    };
  }

  watch(url: string): TestWatch {
    const received = new Received();
    const end = new AbortController();
    const served = this.pipeline.serve(exchangeOf("GET", url, {}, received, end.signal));
    return {
      get events() {
        const lines = Buffer.concat(received.chunks).toString("utf8").split("\n");
        return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as TestWatch["events"][number]);
      },
      stop: async () => {
        end.abort();
        await served;
      },
    };
  }
}

class Received {
  code = 0;
  readonly headers: Record<string, string> = {};
  readonly chunks: Buffer[] = [];
  hasStarted = false;

  take(chunk: Uint8Array | string): void {
    this.chunks.push(typeof chunk === "string" ? Buffer.from(chunk) : Buffer.from(chunk));
  }
}

function exchangeOf(method: string, url: string, { headers = {}, body }: TestRequest, received: Received, signal: AbortSignal): Exchange {
  const [path = "", rawQuery = ""] = url.split("?");
  const isObject = typeof body === "object" && !(body instanceof Uint8Array);
  const bytes = body === undefined ? Buffer.alloc(0) : isObject ? Buffer.from(JSON.stringify(body)) : Buffer.from(body as string);
  const sent: Record<string, string> = { ...(isObject && { "content-type": "application/json" }), ...headers };
  const start = (code: number, extra: Readonly<Record<string, string>>): void => {
    received.code = code;
    received.hasStarted = true;
    Object.assign(received.headers, extra);
  };
  return {
    method,
    path,
    query: new URLSearchParams(rawQuery),
    rawQuery: rawQuery === "" ? "" : `?${rawQuery}`,
    remoteAddress: "127.0.0.1",
    clientCertificate: undefined,
    signal,
    header: (name) => sent[name],
    headers: () => sent,
    readBody: () => Promise.resolve(bytes),
    bodyStream: () => {
      throw new Error("nothing is proxied here");
    },
    setHeader: (name, value) => {
      received.headers[name] = typeof value === "string" ? value : value.join(", ");
    },
    send: (code, extra, content) => {
      start(code, extra);
      for (const chunk of typeof content === "string" || content instanceof Uint8Array ? [content] : content) received.take(chunk);
      return Promise.resolve();
    },
    startStream: (code, extra) => {
      start(code, extra);
      return { write: (chunk) => Promise.resolve(received.take(chunk)), end: () => {}, destroy: () => {} };
    },
    get hasStarted() {
      return received.hasStarted;
    },
  };
}
