// What every process of a lab has in common: health and metrics, JSON logs, an orderly end.
import { readdirSync, readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { describeLab, eventually, Lab, type ProcessStatus, run } from "./lab.js";

/** Where each kind of process answers, on its own host. */
const endpoints: Readonly<Record<string, (host: string) => string>> = {
  store: (host) => `http://10.200.0.${10 + Number(host.slice("store-".length))}:2381`,
  apiserver: () => "https://10.200.0.21:6443",
  scheduler: () => "https://10.200.0.31:10259",
  "controller-manager": () => "https://10.200.0.41:10257",
  dns: () => "http://10.200.0.53:8181",
  kubelet: () => "http://127.0.0.1:10248",
  runtime: () => "http://127.0.0.1:10351",
  proxy: () => "http://127.0.0.1:10256",
};

describeLab("every process", () => {
  let lab: Lab;
  let all: readonly ProcessStatus[];

  beforeAll(async () => {
    lab = await Lab.shared();
    all = await lab.processes();
  }, 120_000);

  it("answers /healthz, /livez, /readyz and /metrics", async () => {
    const pki = `${lab.state}/pki`;
    const askAll = () =>
      Promise.all(
        all.map(async ({ name, kind, pid }) => {
          const ask = async (path: string): Promise<string> => {
            const url = `${endpoints[kind]?.(name)}${path}`;
            const curl = ["curl", "-sk", "-m", "10", "-w", " %{http_code}", "--cert", `${pki}/admin.crt`, "--key", `${pki}/admin.key`, url];
            // etcd, and the store with it, ends the line.
            return (await run("nsenter", [`--target=${pid}`, "--net", "--", ...curl])).stdout.replace("\n", "");
          };
          const [healthz, livez, readyz, metrics] = await Promise.all(["/healthz", "/livez", "/readyz", "/metrics"].map(ask));
          return { name, healthz, livez, readyz, metrics: /^process_resident_memory_bytes \d+/m.test(metrics ?? "") };
        }),
      );
    const healthy = all.map(({ name }) => ({ name, healthz: "ok 200", livez: "ok 200", readyz: "ok 200", metrics: true }));
    let answers = await askAll();
    // A node's first Service rules come moments after the lab is up.
    await eventually("all to be healthy", async () => isDeepStrictEqual((answers = await askAll()), healthy)).catch(() => {});
    expect(answers).toEqual(healthy);
  }, 120_000);

  it("ends in order on SIGTERM, with code 0, and runs again", async () => {
    const ofEachKind = all.filter((process) => all.find(({ kind }) => kind === process.kind) === process);
    for (const { name } of ofEachKind) await lab.mustLenj("kill", name, "--signal", "SIGTERM");
    await eventually(
      "all to run again",
      async () => {
        const now = await lab.processes();
        return ofEachKind.every(({ name, pid }) => {
          const found = now.find((process) => process.name === name);
          return found?.state === "running" && found.pid !== null && found.pid !== pid;
        });
      },
      120_000,
    );
    const ends = (await lab.processes()).filter(({ name }) => ofEachKind.some((process) => process.name === name));
    expect(ends.map(({ name, lastExit }) => ({ name, lastExit }))).toEqual(
      ofEachKind.map(({ name }) => ({ name, lastExit: "exit code 0" })),
    );
    await eventually("the cluster to answer", async () => (await lab.kubectl(["get", "--raw", "/readyz"])).code === 0, 120_000);
    await lab.must(["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=120s"]);
  }, 400_000);

  it("logs nothing but JSON lines with a time, a level and a message", () => {
    const folder = `${lab.state}/logs`;
    const odd = readdirSync(folder).flatMap((file) =>
      readFileSync(`${folder}/${file}`, "utf8")
        .trim()
        .split("\n")
        .filter((line) => line !== "" && !isLogLine(line))
        .map((line) => `${file}: ${line}`),
    );
    expect(odd).toEqual([]);
  });
});

function isLogLine(line: string): boolean {
  try {
    const entry = JSON.parse(line) as Record<string, unknown>;
    return [entry["time"], entry["level"], entry["message"], entry["component"]].every((field) => typeof field === "string");
  } catch {
    return false;
  }
}
