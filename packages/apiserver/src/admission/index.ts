import { defaultIngressClass, defaultStorageClass } from "./default-classes.js";
import { defaultTolerationSeconds } from "./default-toleration-seconds.js";
import { limitRanger } from "./limit-ranger.js";
import { namespaceLifecycle } from "./namespace-lifecycle.js";
import { nodeRestriction } from "./node-restriction.js";
import type { AdmissionDependencies, AdmissionModule, AdmissionPlugin } from "./ports.js";
import { priority } from "./priority.js";
import { rbacEscalation } from "./rbac-escalation.js";
import { serviceAccount } from "./service-account.js";
import { taintNodesByCondition } from "./taint-nodes-by-condition.js";

export { AdmissionChain } from "./chain.js";

/** The plugins that are on, in upstream's order. Throws Error for a name that no plugin has. */
export function createAdmission(dependencies: AdmissionDependencies): AdmissionModule {
  const escalation = rbacEscalation(dependencies);
  const known: readonly { readonly plugin: AdmissionPlugin; readonly isDefault: boolean }[] = [
    { plugin: namespaceLifecycle(dependencies), isDefault: true },
    { plugin: limitRanger(dependencies), isDefault: true },
    { plugin: serviceAccount(dependencies), isDefault: true },
    { plugin: nodeRestriction(dependencies), isDefault: false },
    { plugin: taintNodesByCondition, isDefault: true },
    { plugin: priority(dependencies), isDefault: true },
    { plugin: defaultTolerationSeconds(dependencies.tolerationSeconds), isDefault: true },
    { plugin: defaultStorageClass(dependencies), isDefault: true },
    { plugin: defaultIngressClass(dependencies), isDefault: true },
  ];
  const names = new Set(known.map(({ plugin }) => plugin.name));
  for (const name of [...dependencies.enabled, ...dependencies.disabled]) {
    if (!names.has(name)) throw new Error(`Unknown admission plugin ${JSON.stringify(name)}: must be one of ${[...names].join(", ")}`);
  }
  const plugins = known
    .filter(
      ({ plugin, isDefault }) => (isDefault || dependencies.enabled.includes(plugin.name)) && !dependencies.disabled.includes(plugin.name),
    )
    .map(({ plugin }) => plugin);
  return {
    // Not a plugin that could be switched off: upstream checks it where the objects are stored.
    plugins: [...plugins, escalation],
    hooks: [],
    close: () => {
      escalation.close();
      return Promise.resolve();
    },
  };
}
