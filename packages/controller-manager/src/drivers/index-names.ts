// Indexes that several controllers share on one informer.
import type { Informer, KubeObject } from "@lenj/client";
import type { corev1 } from "@lenj/proto/k8s";
import { controllerOf } from "../core/owner.js";

const BY_CONTROLLER = "controllerUID";
const BY_NODE = "nodeName";

/** Objects by the uid of their controller; orphans under "<namespace>/". */
export function addControllerIndex<T extends KubeObject>(
  informer: Informer<T>,
): { ofController: (uid: string) => readonly T[]; orphansIn: (namespace: string) => readonly T[] } {
  informer.addIndex(BY_CONTROLLER, (object) => [controllerOf(object)?.uid ?? `${object.metadata?.namespace ?? ""}/`]);
  return {
    ofController: (uid) => informer.lister.byIndex(BY_CONTROLLER, uid),
    orphansIn: (namespace) => informer.lister.byIndex(BY_CONTROLLER, `${namespace}/`),
  };
}

/** Pods by the node they are bound to; unbound ones under "". */
export function addNodeIndex(informer: Informer<corev1.Pod>): (nodeName: string) => readonly corev1.Pod[] {
  informer.addIndex(BY_NODE, (pod) => [pod.spec?.nodeName ?? ""]);
  return (nodeName) => informer.lister.byIndex(BY_NODE, nodeName);
}
