// POSTs that store nothing under their own name: actions on an object, and questions that are answered at once.
import { type KubernetesObject, newMethodNotSupported } from "@lenj/apimachinery";
import { attributesOf } from "./admit.js";
import { type Call, groupResourceOf, type WriteOptions } from "./call.js";
import { writeOptionsDocument } from "./create.js";
import type { Machine } from "./machine.js";

/** Admits the body and does what it asks for. Returns the document to answer with, code 201. Throws StatusError. */
export async function actOn(machine: Machine, call: Call, body: KubernetesObject, options: WriteOptions): Promise<object> {
  const { declaration, subresource } = call.endpoint;
  const key = `${declaration.gvk.group}/${declaration.plural}${subresource === undefined ? "" : `/${subresource.name}`}`;
  const action = machine.actions.get(key);
  const review = machine.reviews.get(key);
  if (action === undefined && review === undefined) throw newMethodNotSupported(groupResourceOf(call), "create");
  const { dryRun } = options;
  const admission = attributesOf(call, {
    operation: "CREATE",
    object: body,
    oldObject: undefined,
    dryRun,
    options: writeOptionsDocument("CreateOptions", options),
  });
  await machine.admission.admit(admission);
  await machine.admission.validate(admission);
  if (action !== undefined) return action(machine, call, body, options);
  const { user, namespace, name, signal } = call;
  return review?.({ user, namespace, name, object: body, dryRun, signal }) ?? {};
}
