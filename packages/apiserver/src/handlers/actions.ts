import { newMethodNotSupported } from "@lenj/apimachinery";
import { bindPod } from "./binding.js";
import { groupResourceOf } from "./call.js";
import { evictPod } from "./eviction.js";
import type { ActionHandler } from "./machine.js";

/** The older way to bind: POST to the collection, the pod named in the body. */
const bindByCollection: ActionHandler = (machine, call, body, options) => {
  const pods = machine.catalog.preferred("", "pods");
  if (pods === undefined) throw newMethodNotSupported(groupResourceOf(call), "create");
  return bindPod(
    machine,
    { ...call, name: body.metadata?.name ?? "", endpoint: { declaration: pods, subresource: undefined } },
    body,
    options,
  );
};

/** By `<group>/<resource>/<subresource>`, or `<group>/<resource>` for resources that are not kept. */
export const actionHandlers: ReadonlyMap<string, ActionHandler> = new Map([
  ["/pods/binding", bindPod],
  ["/pods/eviction", evictPod],
  ["/bindings", bindByCollection],
]);
