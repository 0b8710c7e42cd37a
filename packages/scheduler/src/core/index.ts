export { type Decision, schedulePod, scoreNodes } from "./cycle.js";
export { formatFitMessage, formatPreemptionMessage } from "./fit-message.js";
export type { ClusterEvent, Plugin, Rejection } from "./framework.js";
export { createNodeInfo, type NodeInfo, type NodeSnapshot, type PlacedPod, placePod } from "./node-snapshot.js";
export { type PreemptionPlan, planPreemption, priorityOf } from "./preemption.js";
export { type QueuedPod, SchedulingQueue, type SchedulingQueueOptions } from "./scheduling-queue.js";
