// Our server against Node's own resolver (c-ares) on loopback, over UDP and, when an answer is cut, TCP.
import { Resolver } from "node:dns/promises";
import { createServer } from "node:net";
import { DNSServer } from "./dns-server.js";

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("DNSServer", () => {
  let server: DNSServer;
  let resolver: Resolver;
  const many = Array.from({ length: 200 }, (_, n) => `10.244.1.${n}`);

  beforeAll(async () => {
    const port = await freePort();
    server = await DNSServer.start({
      address: "127.0.0.1",
      port,
      answer: ({ name, type }) => {
        if (name === "missing.test") return { rcode: "NXDOMAIN" };
        const addresses = name === "many.test" ? many : ["10.96.0.7"];
        return { rcode: "NOERROR", answers: type === "A" ? addresses.map((data) => ({ name, type, ttl: 5, data })) : [] };
      },
    });
    resolver = new Resolver({ timeout: 2_000, tries: 2 });
    resolver.setServers([`127.0.0.1:${port}`]);
  });

  afterAll(() => server.close());

  it("answers over UDP", async () => {
    expect(await resolver.resolve4("web.test")).toEqual(["10.96.0.7"]);
  });

  it("says when a name does not exist", async () => {
    await expect(resolver.resolve4("missing.test")).rejects.toMatchObject({ code: "ENOTFOUND" });
  });

  it("cuts what is too long for UDP and gives it over TCP", async () => {
    expect(await resolver.resolve4("many.test")).toHaveLength(many.length);
  });
});
