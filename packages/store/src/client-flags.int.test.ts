// Flags about clients' connections, at a real member.
import { once } from "node:events";
import { connect, type Settings } from "node:http2";
import { credentials, type ServiceError } from "@grpc/grpc-js";
import { etcdserverpb } from "@lenj/proto/etcd";
import { StoreCluster } from "./testing/index.js";

jest.setTimeout(60_000);

describe("flags about clients", () => {
  let cluster: StoreCluster;
  let url: string;

  beforeAll(async () => {
    const flags = [
      ...["--enable-grpc-gateway=false", "--max-concurrent-streams=7", "--watch-progress-notify-interval=200ms"],
      ...["--grpc-keepalive-min-time=1s", "--grpc-keepalive-interval=300ms", "--grpc-keepalive-timeout=5s"],
    ];
    cluster = await StoreCluster.create({ members: 1, flags });
    cluster.startAll();
    await cluster.becomeHealthy();
    url = cluster.endpoints[0] ?? "";
  });

  afterAll(() => cluster.close());

  it("switch the JSON gateway off, and nothing else", async () => {
    const range = await fetch(`${url}/v3/kv/range`, { method: "POST", body: "{}" });
    expect([range.status, await range.text()]).toEqual([404, "404 page not found\n"]);
    expect((await fetch(`${url}/version`)).status).toBe(200);
  });

  it("bound the calls of a connection, and ping one that is silent", async () => {
    const session = connect(url);
    try {
      const [[settings]] = (await Promise.all([once(session, "remoteSettings"), once(session, "ping")])) as [[Settings], unknown];
      expect(settings.maxConcurrentStreams).toBe(7);
    } finally {
      session.destroy();
    }
  });

  it("tell a quiet watch how far it has come", async () => {
    const client = new etcdserverpb.WatchClient(new URL(url).host, credentials.createInsecure());
    const stream = client.watch();
    stream.on("error", (_error: ServiceError) => {});
    try {
      const createRequest = etcdserverpb.WatchCreateRequest.fromPartial({ key: Buffer.from("quiet"), progressNotify: true });
      stream.write({ requestUnion: { $case: "createRequest", value: createRequest } });
      const answers: etcdserverpb.WatchResponse[] = [];
      while (answers.length < 3) answers.push(...((await once(stream, "data")) as etcdserverpb.WatchResponse[]));
      expect(answers.map(({ created, events }) => [created, events.length])).toEqual([
        [true, 0],
        [false, 0],
        [false, 0],
      ]);
    } finally {
      stream.cancel();
      client.close();
    }
  });
});
