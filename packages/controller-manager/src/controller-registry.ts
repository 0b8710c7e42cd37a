// Names of the controllers and how they are chosen by --controllers. Names and aliases are upstream's.
import type { Controller, ControllerContext, ControllerFactory } from "./controller-context.js";
import { createDeploymentController } from "./controllers/deployment/controller.js";
import { createEndpointsController } from "./controllers/endpoints/controller.js";
import { createEndpointSliceController } from "./controllers/endpointslice/controller.js";
import { createGarbageCollector } from "./controllers/garbage-collector/controller.js";
import { createNamespaceController } from "./controllers/namespace/controller.js";
import { createNodeIPAMController } from "./controllers/node-ipam/controller.js";
import { createNodeLifecycleController } from "./controllers/node-lifecycle/controller.js";
import { createPodGCController } from "./controllers/pod-gc/controller.js";
import { createReplicaSetController } from "./controllers/replicaset/controller.js";
import { createRootCAPublisher } from "./controllers/root-ca-publisher/controller.js";
import { createServiceAccountController } from "./controllers/service-account/controller.js";
import { createTokenController } from "./controllers/service-account-token/controller.js";
import { createTaintEvictionController } from "./controllers/taint-eviction/controller.js";

interface RegistryEntry {
  readonly name: string;
  readonly alias: string;
  readonly create: ControllerFactory;
  /** False: the settings leave it nothing to do. */
  readonly isConfigured?: (context: ControllerContext) => boolean;
}

/** In order of creation. The garbage collector is last: it reduces what only it watches, and shares what others made. */
export const controllerRegistry: readonly RegistryEntry[] = [
  {
    name: "serviceaccount-token-controller",
    alias: "serviceaccount-token",
    create: createTokenController,
    isConfigured: ({ config }) => config.serviceAccountPrivateKey !== "",
  },
  { name: "serviceaccount-controller", alias: "serviceaccount", create: createServiceAccountController },
  {
    name: "root-ca-certificate-publisher-controller",
    alias: "root-ca-cert-publisher",
    create: createRootCAPublisher,
    isConfigured: ({ config }) => config.rootCA !== "",
  },
  {
    name: "node-ipam-controller",
    alias: "nodeipam",
    create: createNodeIPAMController,
    isConfigured: ({ config }) => config.clusterCIDRs.length > 0,
  },
  { name: "node-lifecycle-controller", alias: "nodelifecycle", create: createNodeLifecycleController },
  { name: "taint-eviction-controller", alias: "taint-eviction-controller", create: createTaintEvictionController },
  { name: "pod-garbage-collector-controller", alias: "podgc", create: createPodGCController },
  { name: "endpoints-controller", alias: "endpoint", create: createEndpointsController },
  { name: "deployment-controller", alias: "deployment", create: createDeploymentController },
  { name: "replicaset-controller", alias: "replicaset", create: createReplicaSetController },
  { name: "endpointslice-controller", alias: "endpointslice", create: createEndpointSliceController },
  { name: "namespace-controller", alias: "namespace", create: createNamespaceController },
  { name: "garbage-collector-controller", alias: "garbagecollector", create: createGarbageCollector },
];

/** `selection`: "*" for all, "name" to add, "-name" to leave out. */
export function createControllers(context: ControllerContext, selection: readonly string[]): Controller[] {
  const isSelected = ({ name, alias }: RegistryEntry): boolean => {
    if (selection.includes(`-${name}`) || selection.includes(`-${alias}`)) return false;
    return selection.includes("*") || selection.includes(name) || selection.includes(alias);
  };
  return controllerRegistry
    .filter((entry) => isSelected(entry) && (entry.isConfigured?.(context) ?? true))
    .map((entry) => entry.create(context));
}
