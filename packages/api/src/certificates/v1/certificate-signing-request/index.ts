import {
  age,
  column,
  defineResource,
  defineTable,
  formatHumanDuration,
  name,
  objectSubresource,
  required,
  statusSubresource,
  withStatus,
} from "@lenj/apimachinery";
import type { certificatesv1 } from "@lenj/proto/k8s";

const gvk = { group: "certificates.k8s.io", version: "v1", kind: "CertificateSigningRequest" } as const;

export const certificateSigningRequest = defineResource<certificatesv1.CertificateSigningRequest>({
  gvk,
  plural: "certificatesigningrequests",
  scope: "Cluster",
  storageVersionHash: "95fRKMXA+00=",
  shortNames: ["csr"],
  strategy: withStatus({
    // Who asks is what the server saw, not what the object says.
    prepareForCreate(object, { user }) {
      if (object.spec === undefined) return;
      object.spec.username = user.name;
      object.spec.uid = user.uid || undefined;
      object.spec.groups = [...user.groups];
      object.spec.extra = Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]]));
    },
    prepareForUpdate: (object, old) => void (old.spec && (object.spec = old.spec)),
    validateCreate: ({ spec }) => [
      ...(spec?.request ? [] : [required("spec.request")]),
      ...(spec?.signerName ? [] : [required("spec.signerName")]),
      ...((spec?.usages ?? []).length > 0 ? [] : [required("spec.usages")]),
    ],
  }),
  subresources: [
    objectSubresource("approval", gvk, {
      resetFields: [["spec"], ["status", "certificate"]],
      prepareForUpdate(object, old) {
        if (old.spec !== undefined) object.spec = old.spec;
        object.status = { ...old.status, conditions: object.status?.conditions };
      },
    }),
    statusSubresource(gvk, {
      prepareForUpdate(object, old) {
        const decided = (old.status?.conditions ?? []).filter(({ type }) => type === "Approved" || type === "Denied");
        const others = (object.status?.conditions ?? []).filter(({ type }) => type !== "Approved" && type !== "Denied");
        (object.status ??= {}).conditions = [...decided, ...others];
      },
    }),
  ],
  selectableFields: [{ label: "spec.signerName", value: ({ spec }) => spec?.signerName ?? "" }],
  table: defineTable<certificatesv1.CertificateSigningRequest>([
    name,
    age,
    [column("SignerName"), ({ spec }) => spec?.signerName || "<none>"],
    [column("Requestor"), ({ spec }) => spec?.username ?? ""],
    [
      column("RequestedDuration"),
      ({ spec }) => (spec?.expirationSeconds === undefined ? "<none>" : formatHumanDuration(spec.expirationSeconds * 1000)),
    ],
    [column("Condition"), formatCondition],
  ]),
});

function formatCondition({ status }: certificatesv1.CertificateSigningRequest): string {
  const has = (wanted: string): boolean => status?.conditions?.some(({ type }) => type === wanted) === true;
  const verdict = has("Denied") ? "Denied" : has("Approved") ? "Approved" : "Pending";
  return `${verdict}${has("Failed") ? ",Failed" : ""}${(status?.certificate ?? "") === "" ? "" : ",Issued"}`;
}
