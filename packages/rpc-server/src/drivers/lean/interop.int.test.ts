// Other people's clients: Python's grpcio (the C core), nghttp2's tools, node:http2 with TLS.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { tmpdir } from "node:os";
import { silentLogger } from "@lenj/base";
import { Listener, type ListenerTLS } from "../../listener.js";
import { type TextHandlers, textService } from "../../testing/text-service.js";
import { createLeanDriver } from "./lean-driver.js";

const python = "/usr/bin/python3";
const hasGrpcio = spawnSync(python, ["-c", "import grpc"]).status === 0;
const hasNghttp = spawnSync("h2load", ["--version"]).status === 0;
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

const handlers: TextHandlers = {
  ask: (text) => (text === "fail" ? Promise.reject(new Error("nöt so %")) : text.toUpperCase()),
  list: (text, stream) => {
    for (let n = 0; n < Number(text); n++) stream.write(`${n}`);
    stream.end();
  },
  collect: (stream) => {
    const texts: string[] = [];
    stream.onMessage = (text) => texts.push(text);
    stream.onHalfClose = () => {
      stream.write(texts.join(""));
      stream.end();
    };
  },
  talk: (stream) => {
    stream.onMessage = (text) => stream.write(text);
    stream.onHalfClose = () => stream.end();
  },
};

/** Methods of each kind, a failure, compression, metadata, a deadline, a message above windows, a cancelled call. */
const pythonProgram = `
import grpc, sys
text = lambda s: s.encode()
channel = grpc.insecure_channel(sys.argv[1], options=[("grpc.max_receive_message_length", -1)])
def method(kind, name):
    return getattr(channel, kind)("/lenj.test.Text/" + name, request_serializer=text, response_deserializer=bytes.decode)
ask = method("unary_unary", "Ask")
print(ask("hello"))
print(len(ask("x" * 1000000)))
print(ask("packed" * 1000, compression=grpc.Compression.Gzip) == "PACKED" * 1000)
try:
    ask("fail", timeout=5)
except grpc.RpcError as error:
    print(error.code().name, error.details())
try:
    method("unary_unary", "Nothing")("x")
except grpc.RpcError as error:
    print(error.code().name, error.details())
print(sum(int(n) for n in method("unary_stream", "List")("1000")))
print(method("stream_unary", "Collect")(iter(["a", "b", "c"])))
print("".join(method("stream_stream", "Talk")(iter(["d", "e", "f"]))))
endless = method("unary_stream", "List")("20000")
print(next(endless))
endless.cancel()
futures = [ask.future(str(n)) for n in range(500)]
print(sum(int(future.result()) for future in futures))
`;

describe("other clients of the lean driver", () => {
  let folder: string;
  let listener: Listener;
  const driver = createLeanDriver({
    receiveBytesMax: 4 * 1_024 * 1_024,
    toStatus: (error) => ({ code: 9, details: error instanceof Error ? error.message : String(error) }),
    logger: silentLogger,
  });
  driver.addService(textService, handlers as Readonly<Record<string, (first: never, second: never) => unknown>>);

  beforeAll(async () => {
    folder = mkdtempSync(`${tmpdir()}/lenj-rpc-`);
    listener = await Listener.listen({ host: "127.0.0.1", port: 0, rpc: driver });
  });
  afterAll(async () => {
    await Promise.all([driver.close(), listener.close()]);
    rmSync(folder, { recursive: true, force: true });
  });

  (hasGrpcio ? it : it.skip)(
    "grpcio",
    async () => {
      writeFileSync(`${folder}/client.py`, pythonProgram);
      const { stdout, stderr } = await run(python, [`${folder}/client.py`, `127.0.0.1:${listener.port}`]);
      expect(stderr).toBe("");
      expect(stdout.trim().split("\n")).toEqual([
        "HELLO",
        "1000000",
        "True",
        "FAILED_PRECONDITION nöt so %",
        "UNIMPLEMENTED unknown method Nothing for service lenj.test.Text",
        "499500",
        "abc",
        "def",
        "0",
        "124750",
      ]);
    },
    60_000,
  );

  (hasNghttp ? it : it.skip)(
    "nghttp2's h2load and nghttp",
    async () => {
      writeFileSync(`${folder}/message`, Buffer.concat([Buffer.from([0, 0, 0, 0, 2]), Buffer.from("hi")]));
      const url = `http://127.0.0.1:${listener.port}/lenj.test.Text/Ask`;
      const header = ["--header=content-type: application/grpc", "--header=te: trailers", `--data=${folder}/message`];
      const load = await run("h2load", ["--requests=5000", "--clients=5", "--max-concurrent-streams=50", ...header, url]);
      expect(load.stdout).toMatch(/5000 done, 5000 succeeded, 0 failed, 0 errored/);
      const verbose = await run("nghttp", ["--verbose", "--null-out", "--padding=32", ...header, url]);
      expect(verbose.stdout).toMatch(/grpc-status: 0/);
      expect(verbose.stdout).not.toMatch(/RST_STREAM|error_code=(?!NO_ERROR)/);
    },
    60_000,
  );

  (hasOpenssl ? it : it.skip)("TLS: ALPN, the client's name, and answers larger than a record", async () => {
    const tls = certificates(folder);
    const names: (string | undefined)[] = [];
    const secure = createLeanDriver({
      receiveBytesMax: 4 * 1_024 * 1_024,
      toStatus: () => ({ code: 2, details: "" }),
      onCall: (call) => void names.push(call.peer.commonName),
      logger: silentLogger,
    });
    secure.addService(textService, handlers as Readonly<Record<string, (first: never, second: never) => unknown>>);
    const secureListener = await Listener.listen({ host: "127.0.0.1", port: 0, rpc: secure, tls });
    const session = connectHttp2(`https://127.0.0.1:${secureListener.port}`, { ca: tls.ca ?? "", cert: tls.cert, key: tls.key });
    try {
      const text = "y".repeat(300_000);
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(text.length, 1);
      const request = session.request({
        ":method": "POST",
        ":path": "/lenj.test.Text/Ask",
        "content-type": "application/grpc",
        te: "trailers",
      });
      request.end(Buffer.concat([prefix, Buffer.from(text)]));
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece as Buffer);
      expect(Buffer.concat(pieces).subarray(5).toString()).toBe(text.toUpperCase());
      expect(names).toEqual(["a client"]);
    } finally {
      session.destroy();
      await Promise.all([secure.close(), secureListener.close()]);
    }
  });
});

/** One certificate for both sides, signed by itself. */
function certificates(folder: string): ListenerTLS {
  const [key, cert] = [`${folder}/key.pem`, `${folder}/cert.pem`];
  const subject = ["-subj", "/CN=a client", "-addext", "subjectAltName=IP:127.0.0.1"];
  const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"];
  const { status, stderr } = spawnSync("openssl", [...made, ...subject, "-keyout", key, "-out", cert], { encoding: "utf8" });
  if (status !== 0) throw new Error(`openssl: ${stderr}`);
  const text = readFileSync(cert, "utf8");
  return { cert: text, key: readFileSync(key, "utf8"), ca: text, requireClientCert: true };
}

function run(program: string, args: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.on("error", reject);
    child.on("close", () => resolve({ stdout, stderr }));
  });
}
