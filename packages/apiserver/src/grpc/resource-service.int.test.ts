// lenj.api.v1 over a real connection: every call, with the same rules and rights as REST.
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { builtinResources } from "@lenj/api";
import { createAuthority, issueCertificate } from "@lenj/component-base/pki";
import {
  ContentType,
  type ListChunk,
  PatchRequest_Type,
  ResourceServiceService,
  type WatchEvent,
  WatchEvent_Type,
  type Object as WireObject,
} from "@lenj/proto/lenj";
import type { Authorizer, AuthorizerAttributes } from "../auth/ports.js";
import { type GrpcServer, listenGrpc } from "../drivers/grpc-server.js";
import { TestFront } from "../testing/test-front.js";
import { startTestMachine, type TestMachine } from "../testing/test-machine.js";
import { createResourceService } from "./resource-service.js";

type Calls = typeof ResourceServiceService;
interface Answered {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
  readonly data: Record<string, string>;
  readonly reason: string;
  readonly message: string;
}

const ref = (name = "", resource = "configmaps"): object => ({
  group: "",
  version: "v1",
  resource,
  namespace: "default",
  name,
  subresource: "",
});
const noOptions = { dryRun: false, fieldManager: "", fieldValidation: "" };
const wire = (object: object): WireObject => ({
  contentType: ContentType.CONTENT_TYPE_JSON,
  data: Buffer.from(JSON.stringify(object)),
  warnings: [],
});
const parsed = ({ data }: { data: Buffer }): Answered => JSON.parse(data.toString("utf8")) as Answered;

const asked: AuthorizerAttributes[] = [];
const authorizer: Authorizer = {
  authorize: (attributes) => {
    asked.push(attributes);
    return attributes.resource === "secrets" ? { decision: "noOpinion", reason: "not yours" } : { decision: "allow", reason: "" };
  },
};

let test: TestMachine;
let server: GrpcServer;
let client: Client;

beforeAll(async () => {
  test = await startTestMachine({ declarations: builtinResources });
  const nowMs = Date.now();
  const authority = await createAuthority({ commonName: "test-ca", validDays: 1, nowMs });
  const serving = await issueCertificate(authority, {
    commonName: "apiserver",
    dnsNames: ["localhost"],
    usages: ["server"],
    validDays: 1,
    nowMs,
  });
  const service = createResourceService(test.machine, new TestFront(test, authorizer).pipeline);
  server = await listenGrpc({ address: "127.0.0.1", port: 0, tls: { ...serving, clientCA: authority.cert }, service });
  client = new Client(`localhost:${server.port}`, credentials.createSsl(Buffer.from(authority.cert)));
});

afterAll(async () => {
  client?.close();
  await server?.close();
  await test?.close();
});

/** Resolves with the answer; rejects with the Status that came in the trailer. */
function call<Name extends keyof Calls>(name: Name, request: object): Promise<WireObject> {
  const { path, requestSerialize, responseDeserialize } = ResourceServiceService[name];
  return new Promise((resolve, reject) =>
    client.makeUnaryRequest(path, requestSerialize as never, responseDeserialize as never, request, (error, answer) =>
      error === null ? resolve(answer as unknown as WireObject) : reject(statusOf(error)),
    ),
  );
}

function statusOf(error: ServiceError): Error {
  const status = JSON.parse(String(error.metadata.get("lenj-status-bin")[0])) as Answered;
  return Object.assign(new Error(status.message), { reason: status.reason, grpc: error.code });
}

async function stream<Item>(
  name: "list" | "watch",
  request: object,
  count = Number.POSITIVE_INFINITY,
  onItem: (item: Item) => void = () => {},
): Promise<Item[]> {
  const { path, requestSerialize, responseDeserialize } = ResourceServiceService[name];
  const running = client.makeServerStreamRequest(path, requestSerialize as never, responseDeserialize as never, request);
  const items: Item[] = [];
  try {
    for await (const item of running) {
      onItem(item as Item);
      if (items.push(item as Item) >= count) break;
    }
  } catch (error) {
    throw statusOf(error as ServiceError);
  } finally {
    running.cancel();
  }
  return items;
}

const create = (name: string, about: object = {}, options: object = noOptions): Promise<WireObject> =>
  call("create", { ref: ref(), object: wire({ metadata: { name, ...about }, data: { a: "1" } }), options });
const get = (name: string, accept = ContentType.CONTENT_TYPE_JSON): Promise<WireObject> =>
  call("get", { ref: ref(name), resourceVersion: "", accept });
const list = async (about: object = {}): Promise<string[]> => {
  await test.caughtUp();
  const request = {
    ref: ref(),
    labelSelector: "",
    fieldSelector: "",
    resourceVersion: "",
    resourceVersionMatch: "",
    limit: 0,
    continue: "",
    accept: ContentType.CONTENT_TYPE_JSON,
    ...about,
  };
  const chunks = await stream<ListChunk>("list", request);
  expect(chunks.at(-1)?.last).toBe(true);
  return chunks.flatMap(({ items }) => items.map((data) => parsed({ data }).metadata.name));
};

describe("lenj.api.v1.ResourceService", () => {
  it("creates, gets and lists, in JSON and in protobuf", async () => {
    expect(parsed(await create("a", { labels: { tier: "x" } })).data).toEqual({ a: "1" });
    await expect(create("a")).rejects.toMatchObject({ reason: "AlreadyExists", grpc: 6 });
    const binary = await get("a", ContentType.CONTENT_TYPE_PROTOBUF);
    expect([binary.contentType, binary.data.subarray(0, 4).toString("latin1")]).toEqual([ContentType.CONTENT_TYPE_PROTOBUF, "k8s\0"]);
    const copy = test.machine.codec.encodeProtobuf({ metadata: { name: "b" } }, { group: "", version: "v1", kind: "ConfigMap" });
    await call("create", {
      ref: ref(),
      object: { contentType: ContentType.CONTENT_TYPE_PROTOBUF, data: Buffer.from(copy), warnings: [] },
      options: noOptions,
    });
    expect(await list()).toEqual(["a", "b"]);
    expect([await list({ labelSelector: "tier=x" }), await list({ fieldSelector: "metadata.name=b" }), await list({ limit: 1 })]).toEqual([
      ["a"],
      ["b"],
      ["a"],
    ]);
  });

  it("updates what is up to date, and patches in three ways", async () => {
    const made = parsed(await create("changing"));
    const update = (data: object): Promise<WireObject> =>
      call("update", { ref: ref("changing"), object: wire({ ...made, data }), options: noOptions });
    expect(parsed(await update({ a: "2" })).data).toEqual({ a: "2" });
    await expect(update({ a: "3" })).rejects.toMatchObject({ reason: "Conflict" });
    const patch = async (type: PatchRequest_Type, text: string): Promise<unknown> =>
      parsed(await call("patch", { ref: ref("changing"), type, patch: Buffer.from(text), options: noOptions, force: false })).data;
    expect(await patch(PatchRequest_Type.JSON_PATCH, '[{"op":"add","path":"/data/b","value":"j"}]')).toEqual({ a: "2", b: "j" });
    expect(await patch(PatchRequest_Type.MERGE_PATCH, '{"data":{"a":null}}')).toEqual({ b: "j" });
    expect(await patch(PatchRequest_Type.STRATEGIC_MERGE_PATCH, '{"data":{"c":"s"}}')).toEqual({ b: "j", c: "s" });
  });

  it("minds unknown fields and dry runs as REST does", async () => {
    const object = wire({ metadata: { name: "strict" }, datas: {} });
    const post = (fieldValidation: string): Promise<WireObject> =>
      call("create", { ref: ref(), object, options: { ...noOptions, dryRun: true, fieldValidation } });
    await expect(post("Strict")).rejects.toThrow('strict decoding error: unknown field "datas"');
    expect((await post("Warn")).warnings).toEqual(['unknown field "datas"']);
    await expect(get("strict")).rejects.toMatchObject({ reason: "NotFound", grpc: 5 });
  });

  it("watches: what is there, the bookmark that ends it, then what changes", async () => {
    await create("watched");
    await test.caughtUp();
    const request = {
      ref: ref(),
      labelSelector: "",
      fieldSelector: "metadata.name=watched",
      resourceVersion: "",
      allowBookmarks: true,
      sendInitialEvents: true,
      timeoutSeconds: 0,
      accept: ContentType.CONTENT_TYPE_JSON,
    };
    let begin: () => void = () => {};
    const hasBegun = new Promise<void>((resolve) => (begin = resolve));
    const events = stream<WatchEvent>("watch", request, 4, ({ type }) => type === WatchEvent_Type.BOOKMARK && begin());
    await hasBegun;
    const patch = Buffer.from('{"data":{"a":"2"}}');
    await call("patch", { ref: ref("watched"), type: PatchRequest_Type.MERGE_PATCH, patch, options: noOptions, force: false });
    await call("delete", { ref: ref("watched"), options: Buffer.alloc(0) });
    expect((await events).map(({ type }) => WatchEvent_Type[type])).toEqual(["ADDED", "BOOKMARK", "MODIFIED", "DELETED"]);
  });

  it("deletes one, with preconditions, and collections", async () => {
    for (const name of ["one", "two", "three"]) await create(name, { labels: { set: name === "three" ? "other" : "mine" } });
    await expect(call("delete", { ref: ref("one"), options: Buffer.from('{"preconditions":{"uid":"x"}}') })).rejects.toMatchObject({
      reason: "Conflict",
    });
    expect(parsed(await call("delete", { ref: ref("one"), options: Buffer.alloc(0) }))).toMatchObject({ status: "Success" });
    await test.caughtUp();
    await call("deleteCollection", { ref: ref(), labelSelector: "set=mine", fieldSelector: "", options: Buffer.alloc(0) });
    expect(await list({ labelSelector: "set" })).toEqual(["three"]);
  });

  it("asks for the same rights as REST, selectors and all", async () => {
    await expect(call("get", { ref: ref("s", "secrets"), resourceVersion: "", accept: 0 })).rejects.toMatchObject({
      reason: "Forbidden",
      grpc: 7,
      message:
        'secrets "s" is forbidden: User "tester" cannot get resource "secrets" in API group "" in the namespace "default": not yours',
    });
    await expect(list({ ref: ref("", "secrets") })).rejects.toMatchObject({ reason: "Forbidden" });
    await list({ fieldSelector: "metadata.name=a" });
    expect(asked.at(-1)).toMatchObject({ verb: "list", resource: "configmaps", name: "a", fieldSelector: "metadata.name=a" });
  });
});
