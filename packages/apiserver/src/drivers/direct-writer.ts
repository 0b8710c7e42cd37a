// Writes of the api-server itself, through the same handlers as everyone's.
import { cloneJSON, type KubernetesObject, newNotFound } from "@lenj/apimachinery";
import type { GroupResource, KubeObject, ObjectWriter, UserInfo } from "../auth/ports.js";
import { type Call, Warnings } from "../handlers/call.js";
import { createObject } from "../handlers/create.js";
import { deleteObject } from "../handlers/delete.js";
import type { Machine } from "../handlers/machine.js";
import { toServedCopy } from "../handlers/served.js";
import { replaceObject } from "../handlers/update.js";

const self: UserInfo = { username: "system:apiserver", groups: ["system:masters", "system:authenticated"] };
const options = { dryRun: false, fieldManager: "lenj-apiserver", fieldValidation: "Ignore" } as const;
const neverAborted = new AbortController().signal;

export class DirectWriter implements ObjectWriter {
  readonly #machine: Machine;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  async create<T extends KubeObject>(resource: GroupResource, namespace: string | undefined, object: T, signal?: AbortSignal): Promise<T> {
    const call = this.#call(resource, { namespace, name: "", signal });
    const state = await createObject(this.#machine, call, this.#normal(call, object), options);
    return toServedCopy(call.endpoint.declaration, state.object) as T;
  }

  async update<T extends KubeObject>(resource: GroupResource, namespace: string | undefined, object: T, signal?: AbortSignal): Promise<T> {
    const call = this.#call(resource, { namespace, name: object.metadata?.name ?? "", signal });
    const { state } = await replaceObject(this.#machine, call, this.#normal(call, object), options);
    return toServedCopy(call.endpoint.declaration, state.object) as T;
  }

  async delete(resource: GroupResource, namespace: string | undefined, name: string, signal?: AbortSignal): Promise<void> {
    await deleteObject(this.#machine, this.#call(resource, { namespace, name, signal }), {});
  }

  #normal(call: Call, object: KubeObject): KubernetesObject {
    return this.#machine.codec.normalize(cloneJSON(object) as KubernetesObject, call.endpoint.declaration.gvk).object;
  }

  #call(resource: GroupResource, about: { namespace: string | undefined; name: string; signal: AbortSignal | undefined }): Call {
    const declaration = this.#machine.catalog.preferred(resource.group, resource.resource);
    if (declaration === undefined) throw newNotFound(resource, about.name);
    return {
      endpoint: { declaration, subresource: undefined },
      namespace: about.namespace ?? "",
      name: about.name,
      user: self,
      userAgent: "lenj-apiserver",
      auditID: "",
      signal: about.signal ?? neverAborted,
      warnings: new Warnings(),
    };
  }
}
