export { BoundedQueue } from "./async/bounded-queue.js";
export { TaskGroup } from "./async/task-group.js";
export { InvariantError, invariant, unreachable } from "./invariant.js";
export { type LogFields, type Logger, silentLogger } from "./logger.js";
export { type TLSPeer, tlsPeerOf } from "./net/tls-peer.js";
export { type Random, SeededRandom } from "./random/random.js";
export { SystemRandom } from "./random/system-random.js";
export { type Clock, delay, type Timer } from "./time/clock.js";
export { SystemClock } from "./time/system-clock.js";
