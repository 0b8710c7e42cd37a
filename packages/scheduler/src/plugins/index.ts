import type { Plugin } from "../core/framework.js";
import { imageLocality } from "./image-locality/image-locality.js";
import { interPodAffinity } from "./inter-pod-affinity/inter-pod-affinity.js";
import { nodeAffinity } from "./node-affinity/node-affinity.js";
import { nodeName } from "./node-name/node-name.js";
import { nodePorts } from "./node-ports/node-ports.js";
import { nodeResourcesBalancedAllocation } from "./node-resources-balanced-allocation/node-resources-balanced-allocation.js";
import { nodeResourcesFit } from "./node-resources-fit/node-resources-fit.js";
import { nodeUnschedulable } from "./node-unschedulable/node-unschedulable.js";
import { podTopologySpread } from "./pod-topology-spread/pod-topology-spread.js";
import { schedulingGates } from "./scheduling-gates/scheduling-gates.js";
import { taintToleration } from "./taint-toleration/taint-toleration.js";

/** The default profile, in the order in which upstream asks its plugins. */
export const defaultPlugins: readonly Plugin[] = [
  schedulingGates,
  nodeUnschedulable,
  nodeName,
  taintToleration as Plugin,
  nodeAffinity,
  nodePorts,
  nodeResourcesFit,
  podTopologySpread as Plugin,
  interPodAffinity as Plugin,
  nodeResourcesBalancedAllocation,
  imageLocality as Plugin,
];
