// The kernel's side of the proxy: what is installed, and moving it to what is wanted.
//
// K1. `installed` is what the last successful transaction left; after a failure it is unknown and the next sync is a full one.
// K2. Syncs run one at a time.
import type { Logger } from "@lenj/base";
import { formatRouteChanges, type RouteSet, routeProtocol } from "../core/route-plan.js";
import { formatFullSync, formatIncrement, type RulePlanOptions, type RuleSet } from "../core/rule-plan.js";
import { feed } from "./commands.js";

export class KernelRules {
  #installed: { rules: RuleSet; options: string } | undefined;
  #routes: RouteSet | undefined;

  constructor(readonly logger: Logger) {}

  /** Returns whether anything was changed. Rejects when the kernel refused; nothing is changed then. */
  async syncRules(rules: RuleSet, options: RulePlanOptions): Promise<boolean> {
    const optionsKey = JSON.stringify(options);
    const script = this.#installed?.options === optionsKey ? formatIncrement(this.#installed.rules, rules) : formatFullSync(rules, options);
    if (script === "") return false;
    try {
      await feed("nft", ["-f", "-"], script);
    } catch (error) {
      if (this.#installed === undefined) throw error;
      this.logger.warn("Partial sync refused, replacing everything", { error });
      this.#installed = undefined;
      await feed("nft", ["-f", "-"], formatFullSync(rules, options));
    }
    this.#installed = { rules, options: optionsKey };
    return true;
  }

  async syncRoutes(desired: RouteSet): Promise<boolean> {
    this.#routes ??= await readOwnRoutes();
    const batch = formatRouteChanges(this.#routes, desired);
    if (batch === "") return false;
    this.#routes = undefined;
    await feed("ip", ["-batch", "-"], batch);
    this.#routes = desired;
    return true;
  }

  /** Forgets UDP flows to an endpoint that is gone; they would never learn of another by themselves. */
  async forgetFlows(serviceIP: string, port: number, endpointIP: string): Promise<void> {
    try {
      await feed("conntrack", ["-D", "-p", "udp", "--orig-dst", serviceIP, "--orig-port-dst", String(port), "--dst-nat", endpointIP], "");
    } catch {
      // No such flow, or no such program: the flow then ends by its own timeout.
    }
  }
}

async function readOwnRoutes(): Promise<RouteSet> {
  const text = await feed("ip", ["-json", "route", "show", "proto", String(routeProtocol)], "");
  const routes = text.trim() === "" ? [] : (JSON.parse(text) as { dst: string; gateway?: string }[]);
  return new Map(routes.map((route) => [route.dst, route.gateway ?? ""]));
}
