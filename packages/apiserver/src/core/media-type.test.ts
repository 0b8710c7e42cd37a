import { bodyEncoding, negotiate, negotiateDiscovery } from "./media-type.js";

const offer = { protobuf: true, transforms: true };

describe("negotiate()", () => {
  it.each([
    [undefined, "json object"],
    ["*/*", "json object"],
    ["application/json", "json object"],
    ["application/yaml", "yaml object"],
    ["application/vnd.kubernetes.protobuf", "protobuf object"],
    ["application/vnd.kubernetes.protobuf,application/json", "json object"],
    ["application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", "json Table"],
    ["application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json;q=0.5", "json PartialObjectMetadataList"],
    [
      "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
      "json PartialObjectMetadata",
    ],
    ["application/json;as=Other;v=v1;g=meta.k8s.io,application/json", "json object"],
    ["application/json;q=0.1, application/yaml", "yaml object"],
    ["text/html", "none"],
  ])("for %s is %s", (accept, expected) => {
    const found = negotiate(accept, offer);
    expect(found === undefined ? "none" : `${found.encoding} ${found.transform.as}`).toBe(expected);
  });

  it("passes over forms that the answer does not have", () => {
    expect(negotiate("application/json;as=Table;v=v1;g=meta.k8s.io", { protobuf: false, transforms: false })).toBeUndefined();
    expect(negotiate("application/vnd.kubernetes.protobuf", { protobuf: false, transforms: true })).toBeUndefined();
  });
});

describe("negotiateDiscovery()", () => {
  it("chooses the first aggregated version it knows, else the legacy form", () => {
    const v2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    const beta = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
    expect(negotiateDiscovery(`${v2},${beta},application/json`)).toBe("v2");
    expect(negotiateDiscovery(`${beta},application/json`)).toBe("v2beta1");
    expect(negotiateDiscovery("application/json")).toBe("legacy");
    expect(negotiateDiscovery(undefined)).toBe("legacy");
  });
});

describe("bodyEncoding()", () => {
  it("reads an absent type as JSON and knows no CBOR", () => {
    expect(
      [undefined, "application/json; charset=utf-8", "application/yaml", "application/vnd.kubernetes.protobuf", "application/cbor"].map(
        bodyEncoding,
      ),
    ).toEqual(["json", "json", "yaml", "protobuf", undefined]);
  });
});
