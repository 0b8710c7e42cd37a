// The network between hosts, cut and healed by `lenj partition` and `lenj heal`: traffic really stops, and comes back.
import { describeLab, eventually, Lab } from "./lab.js";

interface Pod {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly nodeName: string };
  readonly status: { readonly podIP: string };
}

/** One pod on each node. */
const manifest = ["node-1", "node-2"]
  .map(
    (node) => `
apiVersion: v1
kind: Pod
metadata: { name: on-${node} }
spec:
  nodeName: ${node}
  containers: [{ name: web, image: "lenj.local/web:1", readinessProbe: { httpGet: { path: /healthz, port: 8080 }, periodSeconds: 1 } }]
`,
  )
  .join("---");

describeLab("a cut", () => {
  let lab: Lab;
  const namespace = "network";

  beforeAll(async () => {
    lab = await Lab.shared();
    await lab.namespace(namespace);
  }, 120_000);

  afterAll(async () => {
    await lab?.lenj("heal");
    await lab?.must(["delete", "namespace", namespace, "--wait=false"]);
  }, 60_000);

  it("between two nodes keeps their pods from each other, and nobody else; healed, they talk again", async () => {
    await lab.apply(manifest, "-n", namespace);
    await lab.must(["-n", namespace, "wait", "--for=condition=Ready", "pod/on-node-1", "pod/on-node-2", "--timeout=90s"]);
    const pods = (await lab.get<{ items: Pod[] }>("pods", "-n", namespace)).items;
    const addressOf = (name: string): string => pods.find((pod) => pod.metadata.name === name)?.status.podIP as string;
    const reaches = async (from: string, to: string): Promise<boolean> =>
      (await lab.kubectl(["-n", namespace, "exec", from, "--", "wget", "-qO-", "-T", "1", `http://${addressOf(to)}:8080/`])).code === 0;

    await eventually("pods to reach each other", () => reaches("on-node-1", "on-node-2"));
    await lab.mustLenj("partition", "node-1", "node-2");
    expect(await reaches("on-node-1", "on-node-2")).toBe(false);
    expect(await reaches("on-node-2", "on-node-1")).toBe(false);
    // exec itself went from the api-server to both nodes: only the two are cut off from each other.
    expect(await reaches("on-node-1", "on-node-1")).toBe(true);
    expect(await lab.mustLenj("status")).toMatch(/^node-1 +node-2$/m);
    await lab.mustLenj("heal", "node-1", "node-2");
    await eventually("pods to reach each other again", () => reaches("on-node-1", "on-node-2"));
    await eventually("and the other way", () => reaches("on-node-2", "on-node-1"));
    expect(await lab.mustLenj("status")).not.toContain("PARTITIONED");
  }, 180_000);

  it("around the store's leader makes the others elect one and go on; healed, it follows", async () => {
    const leaderBut = async (name: string | undefined) =>
      (await lab.processes()).find((process) => process.role === "leader" && process.name !== name);
    const leader = await eventually("a store leader", () => leaderBut(undefined));
    const others = ["store-1", "store-2", "store-3"].filter((name) => name !== leader.name);
    for (const other of others) await lab.mustLenj("partition", leader.name, other);
    const successor = await eventually("another leader", () => leaderBut(leader.name));
    expect(others).toContain(successor.name);
    await eventually("a write", async () => (await lab.kubectl(["-n", namespace, "create", "configmap", "meanwhile"])).code === 0, 90_000);

    for (const other of others) await lab.mustLenj("heal", leader.name, other);
    await eventually("the old leader to follow", async () => (await lab.process(leader.name)).role === "follower");
    expect((await lab.process(leader.name)).pid).toBe(leader.pid);
    // A serializable read answers from the replica's own state.
    const own = `ETCDCTL_ENDPOINTS=$(echo $ETCDCTL_ENDPOINTS | cut -d, -f${leader.name.slice("store-".length)})`;
    await eventually("the old leader to have the write", async () => {
      const read = `${own} etcdctl get --consistency=s --keys-only /registry/configmaps/${namespace}/meanwhile`;
      return (await lab.shell(read)).stdout.includes("meanwhile");
    });
  }, 240_000);
});
