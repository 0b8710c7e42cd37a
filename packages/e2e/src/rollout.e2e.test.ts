// A rolling update under continuous requests: nobody notices.
import { describeLab, eventually, Lab } from "./lab.js";

const manifest = (version: number): string => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: steady }
spec:
  replicas: 3
  strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } }
  selector: { matchLabels: { app: steady } }
  template:
    metadata: { labels: { app: steady } }
    spec:
      terminationGracePeriodSeconds: 15
      containers:
        - name: web
          image: lenj.local/web:${version}
          ports: [{ containerPort: 8080 }]
          readinessProbe: { httpGet: { path: /healthz, port: 8080 }, periodSeconds: 1 }
          lifecycle: { preStop: { sleep: { seconds: 3 } } }
---
apiVersion: v1
kind: Service
metadata: { name: steady }
spec: { selector: { app: steady }, ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: client }
spec:
  containers:
    - name: client
      image: lenj.local/web:1
      command: ["node", "-e"]
      args:
        - |
          let sent = 0, failed = 0; const versions = new Set();
          const ask = () => fetch("http://steady/", { headers: { connection: "close" }, signal: AbortSignal.timeout(3000) })
            .then((r) => r.text()).then((t) => versions.add(/version (\\d)/.exec(t)[1]))
            .catch((e) => { failed++; console.log("FAILED " + (e.cause?.code ?? e.message)); })
            .finally(() => { sent++; if (sent % 20 === 0) console.log("sent " + sent + " failed " + failed + " versions " + [...versions].sort()); setTimeout(ask, 20); });
          setTimeout(ask, 0);
`;

describeLab("a rolling update", () => {
  let lab: Lab;
  const namespace = "rollout";

  beforeAll(async () => {
    lab = await Lab.shared();
    await lab.namespace(namespace);
  }, 120_000);

  afterAll(() => lab?.must(["delete", "namespace", namespace, "--wait=false"]), 60_000);

  it("fails no request", async () => {
    await lab.apply(manifest(1), "-n", namespace);
    await lab.must(["-n", namespace, "rollout", "status", "deployment/steady", "--timeout=90s"]);
    await lab.must(["-n", namespace, "wait", "--for=condition=Ready", "pod/client", "--timeout=60s"]);
    const report = async (): Promise<RegExpMatchArray> => {
      const lines = await lab.must(["-n", namespace, "logs", "client", "--tail=200"]);
      return [...lines.matchAll(/sent (\d+) failed (\d+) versions (\S+)/g)].at(-1) ?? Promise.reject(new Error("no report yet"));
    };
    // The client may have been quicker than its node's first rules for the new Service.
    const start = await eventually("the first requests", report);
    const before = Number(start[1]);
    await lab.must(["-n", namespace, "set", "image", "deployment/steady", "web=lenj.local/web:2"]);
    await lab.must(["-n", namespace, "rollout", "status", "deployment/steady", "--timeout=120s"]);
    const after = await eventually("requests answered by the new version", async () => {
      const found = await report();
      return Number(found[1]) > before + 100 && found[3]?.includes("2") === true ? found : undefined;
    });
    const failures = (await lab.must(["-n", namespace, "logs", "client"])).split("\n").filter((line) => line.startsWith("FAILED"));
    expect({ failed: Number(after[2]) - Number(start[2]), failures: failures.slice(Number(start[2])) }).toEqual({
      failed: 0,
      failures: [],
    });
  }, 300_000);
});
