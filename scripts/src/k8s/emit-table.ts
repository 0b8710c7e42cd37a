// The runtime schema as one JSON text, and the descriptions as another: loaded only by processes that serve the API.
// The form is described by SchemaTable in packages/apimachinery/src/schema/table.ts.
import { createHash } from "node:crypto";
import type { EmittedFile } from "./emit-types.js";
import type { FieldModel, MessageModel, PackageModel } from "./model.js";

export function emitTable(packages: readonly PackageModel[]): EmittedFile[] {
  const types: Record<string, unknown> = {};
  const strings: Record<string, unknown> = {};
  const descriptions: Record<string, Record<string, string>> = {};
  for (const pkg of packages) {
    for (const { name, values, open } of pkg.strings) {
      strings[openAPIName(`${pkg.name}.${name}`)] = { values, open: open || undefined };
    }
    for (const message of pkg.messages) {
      const name = openAPIName(message.fullName);
      types[name] = typeEntry(message, pkg.groupVersion);
      const texts = descriptionsOf(message);
      if (Object.keys(texts).length > 0) descriptions[name] = texts;
    }
  }
  return [
    { path: "schema-table.ts", text: textModule({ types, strings }) },
    { path: "descriptions.ts", text: textModule(descriptions) },
    { path: "fingerprint.ts", text: `export const fingerprint: string = "${fingerprintOf([types, strings, descriptions])}";\n` },
  ];
}

/** "k8s.io.api.core.v1.Pod" -> "io.k8s.api.core.v1.Pod"; protobuf writes dashes as underscores. */
export function openAPIName(fullName: string): string {
  return fullName.replace(/^k8s\.io\./, "io.k8s.").replaceAll("_", "-");
}

/** Changes whenever anything that clients can see of the types changes. */
function fingerprintOf(content: unknown): string {
  return createHash("sha256").update(JSON.stringify(content)).digest("hex").slice(0, 16);
}

/** JSON inside a string literal: the engine parses that faster than an object literal, and only when asked. */
function textModule(value: unknown): string {
  return `// Generated from /proto/k8s. Do not edit.\nexport const text: string = ${JSON.stringify(JSON.stringify(value))};\n`;
}

function typeEntry(message: MessageModel, groupVersion: string): unknown {
  return {
    kind: message.kind ? groupVersion : message.typeMeta ? "" : undefined,
    form: message.form === "object" ? undefined : message.form,
    atomic: message.atomic || undefined,
    jsonOnly: message.jsonOnly || undefined,
    fields: message.fields.map(fieldEntry),
  };
}

function fieldEntry(field: FieldModel): unknown {
  return {
    name: field.name,
    number: field.number,
    type: field.any ? "any" : typeof field.type === "object" ? openAPIName(field.type.message) : field.type,
    shape: field.shape === "single" ? undefined : field.shape,
    pointer: field.pointer || undefined,
    required: field.required || undefined,
    always: field.always || undefined,
    inline: field.inline || undefined,
    named: field.typeName === undefined ? undefined : openAPIName(field.typeName),
    default: field.defaultValue,
    keys: field.listMapKeys.length > 0 ? field.listMapKeys : undefined,
    set: field.listSet || undefined,
    patch: field.patch || undefined,
    mergeKey: field.mergeKey || undefined,
    atomic: field.atomic,
    discriminator: field.discriminator || undefined,
  };
}

function descriptionsOf(message: MessageModel): Record<string, string> {
  const texts: Record<string, string> = {};
  if (message.description !== "") texts[""] = message.description;
  for (const field of message.fields) {
    if (field.description !== "" && !field.inline) texts[field.name] = field.description;
  }
  return texts;
}
