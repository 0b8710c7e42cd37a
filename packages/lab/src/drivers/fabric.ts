// The lab's network: a bridge in the supervisor's own network namespace, one namespace with an address for every host.
//
// Owns:  the bridge, the hosts' namespaces (in a private /run/netns), and the rules that cut hosts off from each other.
// Not:   what a node does inside its namespace.
// F1. No interface leads out of the fabric, and no host has a default route.
// F2. Every host hangs on the bridge by an interface of its own, so a cut between two hosts is one rule on a pair of interfaces.
import type { Host } from "../core/topology.js";
import { fabric } from "../core/topology.js";
import { run, tryRun } from "./run.js";

export class Fabric {
  readonly #interfaces = new Map<string, string>();

  /** Makes the bridge and the hosts' namespaces. The calling process must be in a network namespace of the lab's own. */
  static async create(hosts: readonly Host[]): Promise<Fabric> {
    const created = new Fabric();
    hosts.forEach((host, position) => {
      created.#interfaces.set(host.name, `h${position}`);
    });
    await run("ip", ["-batch", "-"], {
      input: [
        "link set lo up",
        `link add ${fabric.bridge} type bridge forward_delay 0`,
        `addr add ${fabric.address}/${fabric.prefixLength} dev ${fabric.bridge}`,
        `link set ${fabric.bridge} up`,
      ].join("\n"),
    });
    await run("nft", ["-f", "-"], {
      input: `table bridge lenj {
  set blocked { type ifname . ifname; }
  chain forward { type filter hook forward priority 0; policy accept; iifname . oifname @blocked drop; }
}`,
    });
    await Promise.all(hosts.map((host) => created.attach(host)));
    return created;
  }

  /** Makes a host's namespace and hangs it on the bridge. */
  async attach(host: Host): Promise<void> {
    const link = this.#interface(host.name);
    await run("ip", ["netns", "add", host.name]);
    await run("ip", ["-batch", "-"], {
      input: [`link add ${link} type veth peer name eth0 netns ${host.name}`, `link set ${link} master ${fabric.bridge} up`].join("\n"),
    });
    const isNode = host.kind === "node";
    await run("ip", ["-n", host.name, "-batch", "-"], {
      input: [
        "link set lo up",
        `addr add ${host.address}/${fabric.prefixLength} dev eth0`,
        "link set eth0 up",
        // Locally made packets need a route before the service rules rewrite their destination.
        isNode ? `route add ${fabric.serviceCIDR} dev eth0 src ${host.address}` : `route add ${fabric.podCIDR} via ${fabric.address}`,
      ].join("\n"),
    });
  }

  /** Removes a host's namespace with everything in it. */
  async detach(name: string): Promise<void> {
    await tryRun("ip", ["link", "del", this.#interface(name)]);
    await tryRun("ip", ["netns", "del", name]);
  }

  /** Drops everything between two hosts, both ways. */
  async cut(a: string, b: string): Promise<void> {
    await this.#element("add", a, b);
  }

  async heal(a: string, b: string): Promise<void> {
    await this.#element("add", a, b);
    await this.#element("delete", a, b);
  }

  async healAll(): Promise<void> {
    await run("nft", ["flush", "set", "bridge", "lenj", "blocked"]);
  }

  /** Lets the control plane reach the pods of a node (webhooks, proxying). */
  async routePods(podCIDR: string, nodeAddress: string): Promise<void> {
    await run("ip", ["route", "replace", podCIDR, "via", nodeAddress]);
  }

  #element(verb: "add" | "delete", a: string, b: string): Promise<string> {
    const [left, right] = [this.#interface(a), this.#interface(b)];
    return run("nft", [verb, "element", "bridge", "lenj", "blocked", `{ "${left}" . "${right}", "${right}" . "${left}" }`]);
  }

  #interface(host: string): string {
    const link = this.#interfaces.get(host);
    if (link === undefined)
      throw new Error(`Unknown host ${JSON.stringify(host)}: must be one of ${[...this.#interfaces.keys()].join(", ")}`);
    return link;
  }
}
