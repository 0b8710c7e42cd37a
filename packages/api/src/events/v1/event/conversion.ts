// The two forms of an event. Both groups serve the same objects, which are stored in the older form.
import type { KubernetesObject, StorageConversion } from "@lenj/apimachinery";

// Served name, stored name.
const renamed: readonly (readonly [string, string])[] = [
  ["regarding", "involvedObject"],
  ["note", "message"],
  ["deprecatedSource", "source"],
  ["deprecatedFirstTimestamp", "firstTimestamp"],
  ["deprecatedLastTimestamp", "lastTimestamp"],
  ["deprecatedCount", "count"],
  ["reportingController", "reportingComponent"],
];

const toStored = new Map(renamed);
const toServed = new Map(renamed.map(([served, stored]) => [stored, served]));

function rename(object: KubernetesObject, names: ReadonlyMap<string, string>, apiVersion: string): KubernetesObject {
  const converted = Object.fromEntries(Object.entries(object).map(([field, value]) => [names.get(field) ?? field, value]));
  return { ...converted, apiVersion, kind: "Event" };
}

export const eventConversion: StorageConversion = {
  toStorage: (object) => rename(object, toStored, "v1"),
  fromStorage: (object) => rename(object, toServed, "events.k8s.io/v1"),
};
