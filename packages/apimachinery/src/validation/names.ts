// Forms of names, labels and values, with upstream's messages. Source: k8s.io/apimachinery pkg/util/validation, pkg/api/validation.

const label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const subdomain = `${label}(\\.${label})*`;
const label1035 = "[a-z]([-a-z0-9]*[a-z0-9])?";
const qualifiedName = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const labelValue = `(${qualifiedName})?`;

const labelMessage =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
const subdomainMessage =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const label1035Message =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
const qualifiedNameMessage =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const labelValueMessage =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

const anchored = (source: string): RegExp => new RegExp(`^${source}$`);
const labelPattern = anchored(label);
const subdomainPattern = anchored(subdomain);
const label1035Pattern = anchored(label1035);
const qualifiedNamePattern = anchored(qualifiedName);
const labelValuePattern = anchored(labelValue);

/** Upstream's form of a pattern failure: message, examples, pattern. */
export function patternMessage(message: string, pattern: string, ...examples: string[]): string {
  if (examples.length === 0) return `${message} (regex used for validation is '${pattern}')`;
  // Two spaces before "or": that is how the server has always written it, and scripts compare.
  return `${message} (e.g. ${examples.map((example) => `'${example}', `).join(" or ")}regex used for validation is '${pattern}')`;
}

export function maxLengthMessage(length: number): string {
  return `must be no more than ${length} characters`;
}

export const emptyMessage = "must be non-empty";

export function isDNS1123Label(value: string): string[] {
  const errors: string[] = [];
  if (value.length > 63) errors.push(maxLengthMessage(63));
  if (!labelPattern.test(value)) {
    // Upstream answers with the subdomain's message when that would fit better.
    errors.push(subdomainPattern.test(value) ? "must not contain dots" : patternMessage(labelMessage, label, "my-name", "123-abc"));
  }
  return errors;
}

export function isDNS1123Subdomain(value: string): string[] {
  const errors: string[] = [];
  if (value.length > 253) errors.push(maxLengthMessage(253));
  if (!subdomainPattern.test(value)) errors.push(patternMessage(subdomainMessage, subdomain, "example.com"));
  return errors;
}

export function isDNS1035Label(value: string): string[] {
  const errors: string[] = [];
  if (value.length > 63) errors.push(maxLengthMessage(63));
  if (!label1035Pattern.test(value)) errors.push(patternMessage(label1035Message, label1035, "my-name", "abc-123"));
  return errors;
}

/** `*.` followed by a subdomain. */
export function isWildcardDNS1123Subdomain(value: string): string[] {
  const errors: string[] = [];
  if (value.length > 253) errors.push(maxLengthMessage(253));
  const pattern = `\\*\\.${subdomain}`;
  if (!anchored(pattern).test(value)) {
    errors.push(
      patternMessage(
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
        pattern,
        "*.example.com",
      ),
    );
  }
  return errors;
}

/** `[prefix/]name`, the form of label keys, finalizers and extended resources. */
export function isQualifiedName(value: string): string[] {
  const parts = value.split("/");
  const errors: string[] = [];
  let name = value;
  if (parts.length === 2) {
    const [prefix = "", rest = ""] = parts;
    name = rest;
    if (prefix === "") errors.push(`prefix part ${emptyMessage}`);
    else errors.push(...isDNS1123Subdomain(prefix).map((message) => `prefix part ${message}`));
  } else if (parts.length > 2) {
    return [
      `a valid label key ${patternMessage(qualifiedNameMessage, qualifiedName, "MyName", "my.name", "123-abc")} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  }
  if (name === "") errors.push(`name part ${emptyMessage}`);
  else if (name.length > 63) errors.push(`name part ${maxLengthMessage(63)}`);
  if (!qualifiedNamePattern.test(name)) {
    errors.push(`name part ${patternMessage(qualifiedNameMessage, qualifiedName, "MyName", "my.name", "123-abc")}`);
  }
  return errors;
}

export function isLabelValue(value: string): string[] {
  const errors: string[] = [];
  if (value.length > 63) errors.push(maxLengthMessage(63));
  if (!labelValuePattern.test(value)) errors.push(patternMessage(labelValueMessage, labelValue, "MyValue", "my_value", "12345"));
  return errors;
}

export function isPortNumber(port: number): string[] {
  return port >= 1 && port <= 65535 ? [] : ["must be between 1 and 65535, inclusive"];
}

/** IANA service name: at most 15 of a-z, 0-9 and '-', with a letter. */
export function isPortName(value: string): string[] {
  const errors: string[] = [];
  if (value.length > 15) errors.push("must be no more than 15 characters");
  if (!/^[-a-z0-9]+$/.test(value)) errors.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  if (!/[a-z]/.test(value)) errors.push("must contain at least one letter (a-z)");
  if (value.includes("--")) errors.push("must not contain consecutive hyphens");
  if (value.startsWith("-") || value.endsWith("-")) errors.push("must not begin or end with a hyphen");
  return errors;
}

/** Names of environment variables: anything printable but '='. */
export function isEnvVarName(value: string): string[] {
  if (value.length === 0) return ["environment variable name must be non-empty"];
  // Relaxed since 1.32: all printable ASCII except "=".
  return /^[\x20-\x3c\x3e-\x7e]+$/.test(value)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

/** Keys of ConfigMaps and Secrets; they become file names. */
export function isConfigMapKey(value: string): string[] {
  const errors: string[] = [];
  if (value.length > 253) errors.push(maxLengthMessage(253));
  if (!/^[-._a-zA-Z0-9]+$/.test(value)) {
    errors.push(
      patternMessage(
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        "[-._a-zA-Z0-9]+",
        "key.name",
        "KEY_NAME",
        "key-name",
      ),
    );
  }
  if (value === ".") errors.push("must not be '.'");
  else if (value === "..") errors.push("must not be '..'");
  else if (value.startsWith("..")) errors.push("must not start with '..'");
  return errors;
}

/** A name that can stand as one segment of a URL path; RBAC names need no more. */
export function isPathSegmentName(value: string): string[] {
  if (value === "." || value === "..") return [`may not be '${value}'`];
  return ["/", "%"].filter((character) => value.includes(character)).map((character) => `may not contain '${character}'`);
}

export function isPathSegmentPrefix(value: string): string[] {
  return ["/", "%"].filter((character) => value.includes(character)).map((character) => `may not contain '${character}'`);
}

/** `50%`. */
export function isPercent(value: string): string[] {
  if (/^[0-9]+%$/.test(value)) return [];
  return [patternMessage("a valid percent string must be a numeric string followed by an ending '%'", "[0-9]+%", "1%", "93%")];
}

export function isHTTPHeaderName(value: string): string[] {
  if (/^[-A-Za-z0-9]+$/.test(value)) return [];
  return [patternMessage("a valid HTTP header must consist of alphanumeric characters or '-'", "[-A-Za-z0-9]+", "X-Header-Name")];
}

export function isCIdentifier(value: string): string[] {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(value)) return [];
  const message =
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'";
  return [patternMessage(message, "[A-Za-z_][A-Za-z0-9_]*", "my_name", "MY_NAME", "MyName")];
}

/** A DNS label's name rule applied to the prefix of a generated name: the dash at its end does not count. */
export function maskTrailingDash(prefix: string): string {
  return prefix.length > 1 && prefix.endsWith("-") ? `${prefix.slice(0, -2)}a` : prefix;
}

export type NameRule = (name: string, isPrefix: boolean) => string[];

const rule =
  (check: (value: string) => string[]): NameRule =>
  (name, isPrefix) =>
    check(isPrefix ? maskTrailingDash(name) : name);

export const nameIsDNSSubdomain: NameRule = rule(isDNS1123Subdomain);
export const nameIsDNSLabel: NameRule = rule(isDNS1123Label);
export const nameIsDNS1035Label: NameRule = rule(isDNS1035Label);
export const nameIsPathSegment: NameRule = (name, isPrefix) => (isPrefix ? isPathSegmentPrefix(name) : isPathSegmentName(name));
