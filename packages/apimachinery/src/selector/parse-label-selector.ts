// The string grammar of label selectors: `app=web,tier in (a,b),!canary,size>3`. Source: k8s.io/apimachinery pkg/labels/selector.go.
import { newRequirement, type Requirement, type RequirementOperator, Selector, SelectorError } from "./label-selector.js";

type TokenKind = "error" | "end" | "identifier" | ")" | "," | "(" | "!" | "=" | "==" | "!=" | ">" | "<" | "in" | "notin";

interface Token {
  readonly kind: TokenKind;
  readonly literal: string;
}

/** Throws SelectorError PARSE with upstream's text. "" selects everything. */
export function parseLabelSelector(text: string): Selector {
  const requirements = new Parser(tokenize(text)).parse();
  return requirements.length === 0 ? Selector.everything : Selector.of(requirements);
}

const specials = "=!(),><";
const symbols = new Set<string>([")", ",", "(", "!", "=", "==", "!=", ">", "<"]);

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let position = 0;
  while (position < text.length) {
    const character = text.charAt(position);
    if (/[ \t\r\n]/.test(character)) {
      position += 1;
    } else if (specials.includes(character)) {
      const pair = text.slice(position, position + 2);
      const literal = symbols.has(pair) ? pair : character;
      tokens.push({ kind: literal as TokenKind, literal });
      position += literal.length;
    } else {
      let end = position;
      while (end < text.length && !specials.includes(text.charAt(end)) && !/[ \t\r\n]/.test(text.charAt(end))) end += 1;
      const literal = text.slice(position, end);
      tokens.push({ kind: literal === "in" || literal === "notin" ? literal : "identifier", literal });
      position = end;
    }
  }
  tokens.push({ kind: "end", literal: "" });
  return tokens;
}

const operators: Readonly<Partial<Record<TokenKind, RequirementOperator>>> = {
  in: "in",
  notin: "notin",
  "=": "=",
  "==": "==",
  "!=": "!=",
  ">": "gt",
  "<": "lt",
};

class Parser {
  #position = 0;

  constructor(readonly tokens: readonly Token[]) {}

  parse(): Requirement[] {
    const requirements: Requirement[] = [];
    for (;;) {
      const next = this.#peek();
      if (next.kind === "end") return requirements;
      if (next.kind !== "identifier" && next.kind !== "!")
        throw fail(`found '${next.literal}', expected: !, identifier, or 'end of string'`);
      requirements.push(this.#requirement());
      const after = this.#take();
      if (after.kind === "end") return requirements;
      if (after.kind !== ",") throw fail(`found '${after.literal}', expected: ',' or 'end of string'`);
      const following = this.#peek();
      if (following.kind !== "identifier" && following.kind !== "!")
        throw fail(`found '${following.literal}', expected: identifier after ','`);
    }
  }

  #requirement(): Requirement {
    try {
      return this.#parseRequirement();
    } catch (error) {
      throw fail(`unable to parse requirement: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #parseRequirement(): Requirement {
    let token = this.#take();
    const negated = token.kind === "!";
    if (negated) token = this.#take();
    if (token.kind !== "identifier") throw fail(`found '${token.literal}', expected: identifier`);
    const key = token.literal;
    newRequirement(key, "exists", []);
    if (negated) return newRequirement(key, "!", []);
    const next = this.#peek();
    if (next.kind === "end" || next.kind === ",") return newRequirement(key, "exists", []);
    const operatorToken = this.#takeRaw();
    const operator = operators[operatorToken.kind];
    if (operator === undefined) throw fail(`found '${operatorToken.literal}', expected: in, notin, =, ==, !=, gt, lt`);
    const values = operator === "in" || operator === "notin" ? this.#valueSet() : [this.#exactValue()];
    return newRequirement(key, operator, values);
  }

  #exactValue(): string {
    const next = this.#peek();
    if (next.kind === "end" || next.kind === ",") return "";
    const token = this.#take();
    if (token.kind !== "identifier") throw fail(`found '${token.literal}', expected: identifier`);
    return token.literal;
  }

  #valueSet(): string[] {
    const open = this.#take();
    if (open.kind !== "(") throw fail(`found '${open.literal}' expected: '('`);
    const next = this.#peek();
    if (next.kind === ")") {
      this.#take();
      return [];
    }
    if (next.kind !== "identifier" && next.kind !== ",") throw fail(`found '${next.literal}', expected: ',', ')' or identifier`);
    const values = this.#valueList();
    const close = this.#take();
    if (close.kind !== ")") throw fail(`found '${close.literal}', expected: ')'`);
    return [...values].sort();
  }

  /** Empty places, as in `(,a)`, `(a,)` and `(a,,b)`, stand for the empty value. */
  #valueList(): Set<string> {
    const values = new Set<string>();
    for (;;) {
      const token = this.#take();
      if (token.kind === "identifier") {
        values.add(token.literal);
        const next = this.#peek();
        if (next.kind === ")") return values;
        if (next.kind !== ",") throw fail(`found '${next.literal}', expected: ',' or ')'`);
      } else if (token.kind === ",") {
        if (values.size === 0) values.add("");
        const next = this.#peek();
        if (next.kind === ")") {
          values.add("");
          return values;
        }
        if (next.kind === ",") {
          this.#take();
          values.add("");
        }
      } else {
        throw fail(`found '${token.literal}', expected: ',', or identifier`);
      }
    }
  }

  /** Where a key or value is expected, `in` and `notin` are ordinary words. */
  #peek(): Token {
    const token = this.tokens[this.#position] ?? { kind: "end", literal: "" };
    return token.kind === "in" || token.kind === "notin" ? { kind: "identifier", literal: token.literal } : token;
  }

  #take(): Token {
    const token = this.#peek();
    this.#position += 1;
    return token;
  }

  #takeRaw(): Token {
    const token = this.tokens[this.#position] ?? { kind: "end", literal: "" };
    this.#position += 1;
    return token;
  }
}

function fail(message: string): SelectorError {
  return new SelectorError("PARSE", message);
}
