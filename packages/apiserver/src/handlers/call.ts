// One request on its way through the handlers, whichever front it came through.

import type { GroupResource, RequestContext } from "@lenj/apimachinery";
import type { Clock, Logger, Random } from "@lenj/base";
import type { UserInfo } from "../auth/ports.js";
import type { Endpoint } from "../core/catalog.js";

/** Warnings of one request, in order, each text once. Source: k8s.io/apiserver pkg/warning; header size limits of filters/warning.go. */
export class Warnings {
  readonly #texts = new Set<string>();

  add(text: string): void {
    if (text !== "") this.#texts.add(text);
  }

  get texts(): readonly string[] {
    return [...this.#texts];
  }
}

export interface Call {
  readonly endpoint: Endpoint;
  /** From the URL; "" for cluster-scoped resources and all namespaces. */
  readonly namespace: string;
  /** From the URL; "" where the whole resource is meant. */
  readonly name: string;
  readonly user: UserInfo;
  readonly userAgent: string;
  readonly auditID: string;
  readonly signal: AbortSignal;
  readonly warnings: Warnings;
}

/** Options that all writes share. */
export interface WriteOptions {
  readonly dryRun: boolean;
  /** Default: the user agent up to its first slash. */
  readonly fieldManager: string;
  readonly fieldValidation: "Strict" | "Warn" | "Ignore";
}

export interface HandlerTools {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export function groupResourceOf(call: Pick<Call, "endpoint">): GroupResource {
  const { declaration } = call.endpoint;
  return { group: declaration.gvk.group, resource: declaration.plural };
}

export function contextOf(call: Call, tools: HandlerTools, dryRun: boolean): RequestContext {
  const { user } = call;
  return {
    clock: tools.clock,
    random: tools.random,
    user: { name: user.username, uid: user.uid ?? "", groups: user.groups, extra: user.extra ?? {} },
    namespace: call.namespace,
    name: call.name,
    dryRun,
  };
}
