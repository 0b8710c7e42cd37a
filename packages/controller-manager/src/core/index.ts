export { type DeploymentAction, type DeploymentPlan, type ObservedDeployment, planDeployment } from "../controllers/deployment/plan.js";
export { type ObservedService, planEndpointSlices, type SlicePlan } from "../controllers/endpointslice/plan.js";
export { type ObservedReplicaSet, planReplicaSet, type ReplicaSetAction } from "../controllers/replicaset/plan.js";
