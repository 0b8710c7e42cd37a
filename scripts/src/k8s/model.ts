// The Kubernetes API types as declared in /proto/k8s: descriptors plus our options, in the form the emitters need.
import {
  createFileRegistry,
  type DescExtension,
  type DescField,
  type DescFile,
  type DescMessage,
  fromBinary,
  getOption,
  ScalarType,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

export type Form =
  | "object"
  | "time"
  | "micro-time"
  | "duration"
  | "quantity"
  | "int-or-string"
  | "raw"
  | "json"
  | "fields"
  | "list"
  | "schema-or-bool"
  | "schema-or-array"
  | "schema-or-strings";

const forms: readonly Form[] = [
  "object",
  "time",
  "micro-time",
  "duration",
  "quantity",
  "int-or-string",
  "raw",
  "json",
  "fields",
  "list",
  "schema-or-bool",
  "schema-or-array",
  "schema-or-strings",
];

export interface StringsModel {
  readonly name: string;
  readonly values: readonly string[];
  readonly open: boolean;
}

export interface FieldModel {
  /** JSON name. */
  readonly name: string;
  readonly number: number;
  readonly shape: "single" | "list" | "map";
  /** A scalar, or the full protobuf name of a message. */
  readonly type: ScalarName | { readonly message: string };
  readonly pointer: boolean;
  readonly required: boolean;
  readonly always: boolean;
  readonly inline: boolean;
  /** Full name of upstream's named type; a StringsModel where one is declared. */
  readonly typeName: string | undefined;
  readonly defaultValue: unknown;
  readonly listMapKeys: readonly string[];
  readonly listSet: boolean;
  readonly patch: string;
  readonly mergeKey: string;
  readonly atomic: boolean | undefined;
  readonly discriminator: boolean;
  readonly any: boolean;
  readonly description: string;
}

export type ScalarName = "string" | "bool" | "int32" | "int64" | "double" | "bytes";

export interface MessageModel {
  readonly name: string;
  /** Full protobuf name. */
  readonly fullName: string;
  readonly form: Form;
  readonly kind: boolean;
  readonly typeMeta: boolean;
  readonly atomic: boolean;
  readonly jsonOnly: boolean;
  readonly fields: readonly FieldModel[];
  readonly description: string;
}

export interface PackageModel {
  /** "k8s.io.api.core.v1". */
  readonly name: string;
  /** "v1", "apps/v1"; empty where the package holds no kinds. */
  readonly groupVersion: string;
  readonly strings: readonly StringsModel[];
  readonly messages: readonly MessageModel[];
}

/** Reads a FileDescriptorSet with source info. Packages and messages keep the order of their files, sorted by path. */
export function readModel(descriptorSet: Uint8Array): PackageModel[] {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));
  const option = optionReader((name) => {
    const extension = registry.getExtension(`k8s.${name}`);
    if (extension === undefined) throw new Error(`Cannot read options: extension k8s.${name} is not declared`);
    return extension;
  });
  const files = [...registry.files].filter((file) => file.proto.package.startsWith("k8s.io.")).sort((a, b) => (a.name < b.name ? -1 : 1));
  const packages = new Map<string, { groupVersion: string; strings: StringsModel[]; messages: MessageModel[] }>();
  for (const file of files) {
    const name = file.proto.package;
    const entry = packages.get(name) ?? { groupVersion: "", strings: [], messages: [] };
    packages.set(name, entry);
    entry.groupVersion = option<string>(file, "group_version") || entry.groupVersion;
    const strings = option<{ name: string; values: string[]; open: boolean }[]>(file, "strings");
    entry.strings.push(...strings.map(({ name, values, open }) => ({ name, values, open })));
    const comments = readComments(file);
    file.messages.forEach((message, index) => {
      entry.messages.push(readMessage(message, `4,${index}`, comments, option));
    });
  }
  return [...packages].map(([name, rest]) => ({ name, ...rest }));
}

type OptionReader = <T>(desc: DescFile | DescMessage | DescField, name: string) => T;

function optionReader(find: (name: string) => DescExtension): OptionReader {
  // getOption's type ties the extension to the descriptor's kind; names are checked by the compiler of the .proto files instead.
  return <T>(desc: DescFile | DescMessage | DescField, name: string) => getOption(desc as never, find(name) as never) as T;
}

function readComments(file: DescFile): Map<string, string> {
  const comments = new Map<string, string>();
  for (const { path, leadingComments } of file.proto.sourceCodeInfo?.location ?? []) {
    const text = leadingComments.replace(/\s+/g, " ").trim();
    if (text !== "") comments.set(path.join(","), text);
  }
  return comments;
}

function readMessage(message: DescMessage, path: string, comments: Map<string, string>, option: OptionReader): MessageModel {
  return {
    name: message.name,
    fullName: message.typeName,
    form: forms[option<number>(message, "form")] ?? "object",
    kind: option(message, "kind"),
    typeMeta: option(message, "type_meta"),
    atomic: option(message, "atomic_struct"),
    jsonOnly: option(message, "json_only"),
    fields: message.fields.map((field, index) => readField(field, comments.get(`${path},2,${index}`) ?? "", option)),
    description: comments.get(path) ?? "",
  };
}

function readField(field: DescField, description: string, option: OptionReader): FieldModel {
  const required = option<boolean>(field, "required");
  const explicitly = explicitOptions(field);
  const typeName = option<string>(field, "type");
  const defaultText = option<string>(field, "default");
  const keys = option<string>(field, "list_map");
  return {
    name: field.jsonName,
    number: field.number,
    shape: field.fieldKind === "list" ? "list" : field.fieldKind === "map" ? "map" : "single",
    type: typeOf(field),
    pointer: field.proto.proto3Optional,
    required,
    always: explicitly.has(51021) ? option<boolean>(field, "always") : required || isEmbeddedValue(field, option),
    inline: option(field, "inline"),
    typeName: typeName === "" ? undefined : typeName.includes(".") ? typeName : `${field.parent.file.proto.package}.${typeName}`,
    defaultValue: defaultText === "" ? undefined : JSON.parse(defaultText),
    listMapKeys: keys === "" ? [] : keys.split(","),
    listSet: option(field, "list_set"),
    patch: option(field, "patch"),
    mergeKey: option(field, "merge_key"),
    atomic: explicitly.has(51029) ? option<boolean>(field, "atomic") : undefined,
    discriminator: option(field, "discriminator"),
    any: option(field, "any"),
    description,
  };
}

/** Upstream holds the message by value, and such a value always shows. */
function isEmbeddedValue(field: DescField, option: OptionReader): boolean {
  if (field.fieldKind !== "message" || field.proto.proto3Optional) return false;
  return forms[option<number>(field.message, "form")] !== "list";
}

/** Numbers of the extensions a field sets; the runtime keeps extensions as unknown fields until asked for. */
function explicitOptions(field: DescField): Set<number> {
  return new Set((field.proto.options?.$unknown ?? []).map((unknown) => unknown.no));
}

const scalars: Partial<Record<ScalarType, ScalarName>> = {
  [ScalarType.STRING]: "string",
  [ScalarType.BOOL]: "bool",
  [ScalarType.INT32]: "int32",
  [ScalarType.INT64]: "int64",
  [ScalarType.DOUBLE]: "double",
  [ScalarType.BYTES]: "bytes",
};

function typeOf(field: DescField): FieldModel["type"] {
  if (field.message !== undefined) return { message: field.message.typeName };
  const scalar = field.scalar === undefined ? undefined : scalars[field.scalar];
  if (scalar === undefined) throw new Error(`Cannot read ${field.parent.typeName}.${field.name}: type has no JSON form`);
  return scalar;
}
