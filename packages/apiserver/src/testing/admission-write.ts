// One write as the admission plugins see it, for their tests.
import type { AdmissionAttributes, AdmissionOperation } from "../admission/ports.js";
import type { KubeObject, UserInfo } from "../auth/ports.js";

export interface WriteFacts {
  readonly operation?: AdmissionOperation;
  /** `<group>/<resource>[/<subresource>]`. */
  readonly of: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly object?: object;
  readonly old?: object;
  readonly user?: UserInfo;
}

export interface TestWrite extends AdmissionAttributes {
  readonly warnings: string[];
}

export function testWrite({ operation = "CREATE", of, namespace = "", name, object, old, user }: WriteFacts): TestWrite {
  const [group = "", resource = "", subresource = ""] = of.split("/");
  const warnings: string[] = [];
  const subject = (object ?? old) as KubeObject | undefined;
  return {
    operation,
    kind: { group, version: "v1", kind: subject?.kind ?? "" },
    resource: { group, version: "v1", resource },
    subresource,
    namespace,
    name: name ?? subject?.metadata?.name ?? "",
    object: object as KubeObject | undefined,
    oldObject: old as KubeObject | undefined,
    dryRun: false,
    user: user ?? { username: "alice", groups: ["system:authenticated"] },
    options: {},
    signal: new AbortController().signal,
    addWarning: (text) => warnings.push(text),
    warnings,
  };
}
