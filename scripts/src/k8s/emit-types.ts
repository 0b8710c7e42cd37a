// TypeScript types of the JSON form: one module per API package, types only, so that importing them costs nothing at run time.
import type { FieldModel, Form, MessageModel, PackageModel, StringsModel } from "./model.js";

export interface EmittedFile {
  readonly path: string;
  readonly text: string;
}

const banner = "// Generated from /proto/k8s. Do not edit.\n";

const formTypes: Record<Exclude<Form, "object">, string> = {
  time: "string",
  "micro-time": "string",
  duration: "string",
  quantity: "string",
  "int-or-string": "number | string",
  raw: "Record<string, unknown>",
  json: "unknown",
  fields: "Record<string, unknown>",
  list: "string[]",
  "schema-or-bool": "JSONSchemaProps | boolean",
  "schema-or-array": "JSONSchemaProps | JSONSchemaProps[]",
  "schema-or-strings": "JSONSchemaProps | string[]",
};

/** Fields that generic code reads through an interface of its own; without `undefined` so that such interfaces stay simple. */
const plainOptional = new Set(["metadata"]);

/** One file per package plus `index.ts`, which names each package as clients do: corev1, appsv1, metav1. */
export function emitTypes(packages: readonly PackageModel[]): EmittedFile[] {
  const modules = new Map(packages.map((pkg) => [pkg.name, moduleName(pkg.name)]));
  const messages = new Map(packages.flatMap((pkg) => pkg.messages.map((message) => [message.fullName, message] as const)));
  const strings = new Set(packages.flatMap((pkg) => pkg.strings.map((type) => `${pkg.name}.${type.name}`)));
  const files = packages.map((pkg) => emitPackage(pkg, { modules, messages, strings }));
  const index = [...modules.values()].sort().map((name) => `export type * as ${name} from "./${name}.js";`);
  return [...files, { path: "index.ts", text: `${banner}${index.join("\n")}\n` }];
}

interface Names {
  readonly modules: ReadonlyMap<string, string>;
  readonly messages: ReadonlyMap<string, MessageModel>;
  readonly strings: ReadonlySet<string>;
}

function emitPackage(pkg: PackageModel, names: Names): EmittedFile {
  const imports = new Set<string>();
  const refer = (fullName: string): string => {
    const split = fullName.lastIndexOf(".");
    const owner = fullName.slice(0, split);
    const name = fullName.slice(split + 1);
    if (owner === pkg.name) return name;
    const module = names.modules.get(owner);
    if (module === undefined) throw new Error(`Cannot emit ${pkg.name}: type ${fullName} is not declared`);
    imports.add(module);
    return `${module}.${name}`;
  };
  const body = [...pkg.strings.map(emitStrings), ...pkg.messages.map((message) => emitMessage(message, names, refer))];
  const head = [...imports].sort().map((name) => `import type * as ${name} from "./${name}.js";\n`);
  return {
    path: `${moduleName(pkg.name)}.ts`,
    text: `${banner}${head.join("")}\n${body.join("\n")}`,
  };
}

function emitStrings({ name, values, open }: StringsModel): string {
  const literals = values.map((value) => JSON.stringify(value));
  return `export type ${name} = ${[...literals, ...(open ? ["(string & {})"] : [])].join(" | ")};\n`;
}

function emitMessage(message: MessageModel, names: Names, refer: (name: string) => string): string {
  const doc = message.description === "" ? "" : `/** ${message.description} */\n`;
  if (message.form !== "object") return `${doc}export type ${message.name} = ${formTypes[message.form]};\n`;
  const bases = message.fields.filter((field) => field.inline).map((field) => refer(messageName(field)));
  const meta = message.kind || message.typeMeta ? "  apiVersion?: string;\n  kind?: string;\n" : "";
  const fields = message.fields.filter((field) => !field.inline).map((field) => emitField(field, names, refer));
  const heritage = bases.length === 0 ? "" : ` extends ${bases.join(", ")}`;
  return `${doc}export interface ${message.name}${heritage} {\n${meta}${fields.join("")}}\n`;
}

function emitField(field: FieldModel, names: Names, refer: (name: string) => string): string {
  const element = elementType(field, names, refer);
  const type = field.shape === "list" ? `${wrap(element)}[]` : field.shape === "map" ? `Record<string, ${element}>` : element;
  const name = /^[A-Za-z_$][\w$]*$/.test(field.name) ? field.name : JSON.stringify(field.name);
  const doc = field.description === "" ? "" : `  /** ${field.description} */\n`;
  if (field.required) return `${doc}  ${name}: ${type};\n`;
  return `${doc}  ${name}?: ${plainOptional.has(field.name) ? type : `${type} | undefined`};\n`;
}

function elementType(field: FieldModel, names: Names, refer: (name: string) => string): string {
  if (field.any) return "unknown";
  if (typeof field.type === "object") return refer(messageName(field));
  if (field.type === "string") {
    return field.typeName !== undefined && names.strings.has(field.typeName) ? refer(field.typeName) : "string";
  }
  if (field.type === "bytes") return "string"; // base64
  return field.type === "bool" ? "boolean" : "number";
}

const wrap = (type: string): string => (type.includes("|") ? `(${type})` : type);

function messageName(field: FieldModel): string {
  if (typeof field.type !== "object") throw new Error(`Cannot inline ${field.name}: it is not a message`);
  return field.type.message;
}

/** "k8s.io.api.core.v1" -> "corev1"; packages without a version keep their last name. */
function moduleName(packageName: string): string {
  const parts = packageName.split(".");
  const last = parts.at(-1) ?? "";
  return /^v\d/.test(last) ? `${parts.at(-2)}${last}` : last;
}
