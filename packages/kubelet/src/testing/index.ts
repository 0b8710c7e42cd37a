export { NodeCapsule } from "./node-capsule.js";
