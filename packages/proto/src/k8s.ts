/**
 * Kubernetes API types in their JSON form, one namespace per API package: `corev1.Pod`, `appsv1.Deployment`, `metav1.ObjectMeta`.
 *
 * Plain data: timestamps are RFC 3339 strings, quantities strings, bytes base64 strings, 64-bit integers numbers. Types only, so
 * importing them costs nothing at run time. Source: /proto/k8s (field names and numbers of Kubernetes 1.35).
 */
export type * from "./gen/k8s/index.js";
export type { IntOrString } from "./gen/k8s/intstr.js";
export type { Quantity } from "./gen/k8s/resource.js";
export type { RawExtension } from "./gen/k8s/runtime.js";
