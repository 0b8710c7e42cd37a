export { allOrFirstError, slowStartBatch } from "./actions/batches.js";
export { Expectations } from "./actions/expectations.js";
export { formatMicroTime, type LeaderElectionConfig, LeaderElector, type LeaderElectorOptions } from "./election/leader-elector.js";
export { TerminalError } from "./loop/errors.js";
export { type Reconcile, ReconcileLoop, type ReconcileLoopOptions, type ReconcileResult } from "./loop/reconcile-loop.js";
export { createQueueMetrics, noQueueMetrics, type QueueMetrics } from "./queue/queue-metrics.js";
export { CONTROLLER_LIMITS, type ExponentialLimits, ExponentialRateLimiter, type RateLimiter } from "./queue/rate-limiter.js";
export { WorkQueue, type WorkQueueOptions } from "./queue/work-queue.js";
