export { planDeployment, type DeploymentAction, type DeploymentPlan, type ObservedDeployment } from "../controllers/deployment/plan.js";
export { planEndpointSlices, type ObservedService, type SlicePlan } from "../controllers/endpointslice/plan.js";
export { planReplicaSet, type ObservedReplicaSet, type ReplicaSetAction } from "../controllers/replicaset/plan.js";
