// Field selectors: `status.phase=Running,spec.nodeName!=`. Source: k8s.io/apimachinery pkg/fields/selector.go.
import { SelectorError } from "./label-selector.js";

export interface FieldRequirement {
  readonly field: string;
  readonly operator: "=" | "!=";
  readonly value: string;
}

/** Terms that must all hold. Throws SelectorError PARSE. `\,` `\=` `\\` stand for the characters themselves. */
export function parseFieldSelector(text: string): FieldRequirement[] {
  return splitTerms(text)
    .filter((term) => term !== "")
    .map((term) => parseTerm(term, text));
}

/** A field that has no value in the object is passed as "". */
export function matchesFieldSelector(requirements: readonly FieldRequirement[], valueOf: (field: string) => string): boolean {
  return requirements.every(({ field, operator, value }) => (valueOf(field) === value) === (operator === "="));
}

export function formatFieldSelector(requirements: readonly FieldRequirement[]): string {
  return requirements.map(({ field, operator, value }) => `${field}${operator}${escapeFieldValue(value)}`).join(",");
}

export function escapeFieldValue(value: string): string {
  return value.replace(/[\\,=]/g, "\\$&");
}

function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let start = 0;
  for (let position = 0; position < text.length; position += 1) {
    if (text[position] === "\\") position += 1;
    else if (text[position] === ",") {
      terms.push(text.slice(start, position));
      start = position + 1;
    }
  }
  terms.push(text.slice(start));
  return terms;
}

function parseTerm(term: string, whole: string): FieldRequirement {
  for (let position = 0; position < term.length; position += 1) {
    if (term[position] === "\\") {
      position += 1;
      continue;
    }
    const rest = term.slice(position);
    const operator = rest.startsWith("!=") ? "!=" : rest.startsWith("==") ? "==" : rest.startsWith("=") ? "=" : undefined;
    if (operator === undefined) continue;
    const value = unescapeValue(rest.slice(operator.length));
    return { field: term.slice(0, position), operator: operator === "!=" ? "!=" : "=", value };
  }
  throw new SelectorError("PARSE", `invalid selector: '${whole}'; can't understand '${term}'`);
}

function unescapeValue(escaped: string): string {
  let value = "";
  for (let position = 0; position < escaped.length; position += 1) {
    const character = escaped.charAt(position);
    if (character === "\\") {
      position += 1;
      const next = escaped.charAt(position);
      if (next !== "\\" && next !== "," && next !== "=")
        throw new SelectorError("PARSE", `invalid field selector: invalid escape sequence: \\${next}`);
      value += next;
    } else if (character === "," || character === "=") {
      throw new SelectorError("PARSE", `invalid field selector: unescaped character in '${escaped}': ${character}`);
    } else {
      value += character;
    }
  }
  return value;
}
