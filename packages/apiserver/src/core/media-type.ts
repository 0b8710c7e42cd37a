// Which form a response takes: encoding, and whether the client wants a Table or metadata only.
// Source: k8s.io/apiserver pkg/endpoints/handlers/negotiation.

export interface MediaRange {
  readonly type: string;
  readonly subtype: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly quality: number;
}

export type Encoding = "json" | "yaml" | "protobuf";

/** What an object is turned into before it is encoded. */
export type Transform =
  | { readonly as: "object" }
  | { readonly as: "Table"; readonly apiVersion: string }
  | { readonly as: "PartialObjectMetadata"; readonly apiVersion: string }
  | { readonly as: "PartialObjectMetadataList"; readonly apiVersion: string };

export interface Representation {
  readonly encoding: Encoding;
  readonly transform: Transform;
}

export interface Offer {
  /** The kind has a protobuf form. */
  readonly protobuf: boolean;
  /** Tables and metadata-only forms exist for this answer. */
  readonly transforms: boolean;
}

export const jsonObject: Representation = { encoding: "json", transform: { as: "object" } };

/** The ranges of an Accept header, best first; equal quality keeps the header's order. */
export function parseAccept(header: string): MediaRange[] {
  const ranges: MediaRange[] = [];
  for (const clause of header.split(",")) {
    const [mediaType = "", ...rest] = clause.split(";").map((part) => part.trim());
    const slash = mediaType.indexOf("/");
    if (slash <= 0) continue;
    const parameters = new Map<string, string>();
    let quality = 1;
    for (const parameter of rest) {
      const equals = parameter.indexOf("=");
      const name = (equals < 0 ? parameter : parameter.slice(0, equals)).trim().toLowerCase();
      const value =
        equals < 0
          ? ""
          : parameter
              .slice(equals + 1)
              .trim()
              .replace(/^"(.*)"$/, "$1");
      if (name === "q") quality = Number(value);
      else if (name !== "") parameters.set(name, value);
    }
    ranges.push({
      type: mediaType.slice(0, slash).toLowerCase(),
      subtype: mediaType.slice(slash + 1).toLowerCase(),
      parameters,
      quality: Number.isNaN(quality) ? 1 : quality,
    });
  }
  return ranges
    .map((range, position) => ({ range, position }))
    .sort((a, b) => b.range.quality - a.range.quality || a.position - b.position)
    .map(({ range }) => range);
}

const metaVersions = new Set(["v1", "v1beta1"]);
const transformNames = new Set(["Table", "PartialObjectMetadata", "PartialObjectMetadataList"]);

/**
 * The best form the client accepts, or undefined (answer 406). Where a client takes both, JSON is chosen over protobuf:
 * the caches hold JSON bytes, so it costs nothing to send.
 */
export function negotiate(accept: string | undefined, offer: Offer): Representation | undefined {
  if (accept === undefined || accept.trim() === "") return jsonObject;
  let fallback: Representation | undefined;
  for (const range of parseAccept(accept)) {
    const encoding = encodingOf(range, offer);
    if (encoding === undefined) continue;
    const transform = transformOf(range, offer);
    if (transform === undefined) continue;
    if (encoding !== "protobuf") {
      // A client that prefers protobuf Tables or metadata and falls back to plain JSON must not lose the transform.
      if (fallback !== undefined && fallback.transform.as !== transform.as) return fallback;
      return { encoding, transform };
    }
    if (transform.as === "Table") continue;
    fallback ??= { encoding, transform };
  }
  return fallback;
}

function encodingOf(range: MediaRange, offer: Offer): Encoding | undefined {
  if (range.type === "*" && range.subtype === "*") return "json";
  if (range.type !== "application") return undefined;
  if (range.subtype === "json" || range.subtype === "*") return "json";
  if (range.subtype === "yaml") return "yaml";
  if (range.subtype === "vnd.kubernetes.protobuf") return offer.protobuf ? "protobuf" : undefined;
  return undefined;
}

function transformOf(range: MediaRange, offer: Offer): Transform | undefined {
  const as = range.parameters.get("as");
  if (as === undefined) return { as: "object" };
  const version = range.parameters.get("v") ?? "";
  if (!offer.transforms || range.parameters.get("g") !== "meta.k8s.io" || !metaVersions.has(version) || !transformNames.has(as))
    return undefined;
  return { as: as as "Table" | "PartialObjectMetadata" | "PartialObjectMetadataList", apiVersion: `meta.k8s.io/${version}` };
}

/** For the 406 text. */
export function acceptedMediaTypes(offer: Offer): string[] {
  const types = ["application/json", "application/yaml"];
  if (offer.protobuf) types.push("application/vnd.kubernetes.protobuf");
  return types;
}

export type BodyEncoding = "json" | "yaml" | "protobuf";

/** How a request body is encoded, or undefined (answer 415). An absent Content-Type means JSON. */
export function bodyEncoding(contentType: string | undefined): BodyEncoding | undefined {
  const type = mediaTypeOf(contentType);
  if (type === "" || type === "application/json") return "json";
  if (type === "application/yaml") return "yaml";
  if (type === "application/vnd.kubernetes.protobuf") return "protobuf";
  return undefined;
}

/** The bare media type, lower case, parameters stripped. */
export function mediaTypeOf(contentType: string | undefined): string {
  return (contentType ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
}

/** Which discovery document a client wants: the aggregated form, newest first, or the legacy one. */
export function negotiateDiscovery(accept: string | undefined): "v2" | "v2beta1" | "legacy" {
  for (const range of parseAccept(accept ?? "")) {
    if (range.type !== "application" || range.subtype !== "json") continue;
    if (range.parameters.get("g") === "apidiscovery.k8s.io" && range.parameters.get("as") === "APIGroupDiscoveryList") {
      const version = range.parameters.get("v");
      if (version === "v2" || version === "v2beta1") return version;
      continue;
    }
    if (range.parameters.size === 0) return "legacy";
  }
  return "legacy";
}
