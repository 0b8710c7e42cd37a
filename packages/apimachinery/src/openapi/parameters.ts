// Query and path parameters of the resource endpoints.

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query";
  readonly description: string;
  readonly required?: true;
  readonly schema: { readonly type: "string" | "boolean" | "integer"; readonly uniqueItems: true };
}

function query(name: string, type: "string" | "boolean" | "integer", description: string): Parameter {
  return { description, in: "query", name, schema: { type, uniqueItems: true } };
}

function path(name: string, description: string): Parameter {
  return { description, in: "path", name, required: true, schema: { type: "string", uniqueItems: true } };
}

const dryRun = query("dryRun", "string", "With the value All nothing is stored; the answer shows what would have been.");
const fieldManager = query("fieldManager", "string", "Name under which the changed fields are recorded. At most 128 printable characters.");
const fieldValidation = query(
  "fieldValidation",
  "string",
  "What to do about unknown and repeated fields: Ignore drops them, Warn (the default) drops them and warns, Strict refuses the request.",
);
const labelSelector = query("labelSelector", "string", "Limits the answer to objects whose labels match.");
const fieldSelector = query("fieldSelector", "string", "Limits the answer to objects whose fields match.");
const resourceVersion = query(
  "resourceVersion",
  "string",
  "The version the answer may not be older than, or must show, as resourceVersionMatch says.",
);
const resourceVersionMatch = query("resourceVersionMatch", "string", "How resourceVersion is meant: Exact or NotOlderThan.");
const timeoutSeconds = query("timeoutSeconds", "integer", "Ends the call after so many seconds.");
const limit = query("limit", "integer", "Most objects to return; a continue token in the answer leads to the rest.");
const continueToken = query("continue", "string", "The token of the answer before, to go on with a list that was cut by limit.");
const sendInitialEvents = query("sendInitialEvents", "boolean", "Starts a watch with the current objects and a bookmark that ends them.");

export const pretty: Parameter = query("pretty", "string", "With the value true the answer is indented.");
export const namePath = (kind: string): Parameter => path("name", `Name of the ${kind}.`);
export const namespacePath: Parameter = path("namespace", "Namespace of the object, for authorization and for where it lies.");
export const restPath: Parameter = path("path", "The rest of the path, handed on as it is.");

export const createParameters: readonly Parameter[] = [dryRun, fieldManager, fieldValidation];
export const updateParameters: readonly Parameter[] = createParameters;
export const patchParameters: readonly Parameter[] = [
  ...createParameters,
  query("force", "boolean", "Apply takes over fields that other managers own. Only for apply patches."),
];
export const deleteParameters: readonly Parameter[] = [
  dryRun,
  query("gracePeriodSeconds", "integer", "Seconds the object is given to end; 0 removes it at once."),
  query("orphanDependents", "boolean", "Superseded by propagationPolicy: true leaves dependents behind."),
  query("propagationPolicy", "string", "What becomes of dependents: Orphan, Background or Foreground."),
];
export const listParameters: readonly Parameter[] = [
  query("allowWatchBookmarks", "boolean", "Lets the server send bookmarks while watching."),
  continueToken,
  fieldSelector,
  labelSelector,
  limit,
  resourceVersion,
  resourceVersionMatch,
  sendInitialEvents,
  timeoutSeconds,
  query("watch", "boolean", "Follows changes in place of a list."),
];
export const deleteCollectionParameters: readonly Parameter[] = [
  continueToken,
  fieldSelector,
  ...deleteParameters,
  labelSelector,
  limit,
  resourceVersion,
  resourceVersionMatch,
  sendInitialEvents,
  timeoutSeconds,
];
export const logParameters: readonly Parameter[] = [
  query("container", "string", "The container to read; needed when the pod has several."),
  query("follow", "boolean", "Goes on with new lines as they come."),
  query("limitBytes", "integer", "Ends the answer after so many bytes."),
  query("previous", "boolean", "Reads the container that ran before the current one."),
  query("sinceSeconds", "integer", "Only lines of the last so many seconds."),
  query("stream", "string", "All, Stdout or Stderr."),
  query("tailLines", "integer", "Only so many lines from the end."),
  query("timestamps", "boolean", "Puts the time before each line."),
];
