// Answers requests for tokens of service accounts. Source: pkg/registry/core/serviceaccount/storage/token.go, pkg/serviceaccount/claims.go.
import { randomUUID } from "node:crypto";
import { field, newBadRequest, newConflict, newInternalError, newInvalid, newNotFound } from "@lenj/apimachinery";
import type { Clock } from "@lenj/base";
import type { authenticationv1, corev1 } from "@lenj/proto/k8s";
import type { KubeObject, ObjectReader, ReviewHandler } from "./ports.js";
import { signToken, type TokenKeys, type TokenSettings } from "./token-keys.js";

const shortestSeconds = 600;
const longestSeconds = 2 ** 32;
/** A pod's default token lives on for a year for clients that never reload it, and says when it should have been reloaded. */
const defaultPodSeconds = 3_607;
const extendedSeconds = 365 * 24 * 3_600;

/** Answers POST serviceaccounts/<name>/token. */
export function tokenRequestHandler(keys: TokenKeys, settings: TokenSettings, reader: ObjectReader, clock: Clock): ReviewHandler {
  return async ({ namespace, name, object, signal }) => {
    if (keys.signing === undefined) throw newInternalError(new Error("no signing key is set up for service account tokens"));
    const request = object as KubeObject & authenticationv1.TokenRequest;
    const account = await reader.getFresh({ group: "", resource: "serviceaccounts" }, namespace, name, signal);
    if (account === undefined) throw newNotFound({ group: "", resource: "serviceaccounts" }, name);
    const asked = request.spec?.expirationSeconds ?? 3_600;
    if (asked < shortestSeconds) throw invalidDuration(asked, "may not specify a duration less than 10 minutes");
    if (asked > longestSeconds) throw invalidDuration(asked, "may not specify a duration larger than 2^32 seconds");
    // Clients in Go send null for what they leave out.
    const bound = request.spec?.boundObjectRef ?? undefined;
    const target = bound === undefined ? undefined : await readBoundObject(bound, namespace, reader, signal);
    const podAccount = bound?.kind === "Pod" ? ((target as KubeObject & corev1.Pod).spec?.serviceAccountName ?? "default") : name;
    if (podAccount !== name)
      throw newBadRequest(
        `cannot bind token for serviceaccount ${JSON.stringify(name)} to pod running with different serviceaccount name.`,
      );
    const audiences = (request.spec?.audiences ?? []).length > 0 ? [...(request.spec?.audiences ?? [])] : [...settings.audiences];
    const nowSeconds = Math.floor(clock.wallMs() / 1_000);
    // Only for the API's own audience: others may not know that the token was to be reloaded.
    const isExtended =
      asked === defaultPodSeconds && bound?.kind === "Pod" && audiences.every((audience) => settings.audiences.includes(audience));
    const expires = nowSeconds + (isExtended ? extendedSeconds : asked);
    const pod = bound?.kind === "Pod" ? (target as (KubeObject & corev1.Pod) | undefined) : undefined;
    const nodeName = pod?.spec?.nodeName;
    const node = nodeName === undefined ? undefined : reader.get({ group: "", resource: "nodes" }, undefined, nodeName);
    const token = signToken(keys.signing, {
      aud: audiences,
      exp: expires,
      iat: nowSeconds,
      iss: settings.issuers[0],
      jti: randomUUID(),
      "kubernetes.io": {
        namespace,
        ...(node === undefined ? {} : { node: { name: nodeName, uid: node.metadata?.uid } }),
        ...(bound?.kind === undefined ? {} : { [bound.kind.toLowerCase()]: { name: bound.name, uid: target?.metadata?.uid } }),
        serviceaccount: { name, uid: account.metadata?.uid },
        ...(isExtended ? { warnafter: nowSeconds + asked } : {}),
      },
      nbf: nowSeconds,
      sub: `system:serviceaccount:${namespace}:${name}`,
    });
    const expirationTimestamp = new Date((nowSeconds + asked) * 1_000).toISOString().replace(/\.\d+Z$/, "Z");
    return {
      ...request,
      spec: { ...request.spec, audiences, expirationSeconds: asked },
      status: { token, expirationTimestamp },
    } as KubeObject;
  };
}

async function readBoundObject(
  bound: authenticationv1.BoundObjectReference,
  namespace: string,
  reader: ObjectReader,
  signal: AbortSignal,
): Promise<KubeObject> {
  const resources: Readonly<Record<string, string>> = { Pod: "pods", Secret: "secrets", Node: "nodes" };
  const resource = resources[bound.kind ?? ""];
  if (resource === undefined)
    throw newBadRequest(`cannot bind token for serviceaccount to object of type ${bound.apiVersion}, Kind=${bound.kind}`);
  const target = await reader.getFresh({ group: "", resource }, resource === "nodes" ? undefined : namespace, bound.name ?? "", signal);
  if (target === undefined) throw newNotFound({ group: "", resource }, bound.name ?? "");
  if (bound.uid !== undefined && bound.uid !== "" && bound.uid !== target.metadata?.uid)
    throw newConflict(
      { group: "", resource: bound.kind ?? "" },
      bound.name ?? "",
      `the UID in the bound object reference (${bound.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  return target;
}

function invalidDuration(seconds: number, why: string): Error {
  return newInvalid({ group: "authentication.k8s.io", kind: "TokenRequest" }, "", [field.invalid("spec.expirationSeconds", seconds, why)]);
}
