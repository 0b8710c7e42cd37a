// Says where JSON text breaks the grammar, in the words of Go's encoding/json. Only runs on text that did not parse.

/** "invalid character 'x' looking for beginning of value", "unexpected end of JSON input"… */
export function describeSyntaxError(text: string): string {
  try {
    const walk = new SyntaxWalk(text);
    walk.value("looking for beginning of value");
    walk.end();
  } catch (error) {
    if (error instanceof SyntaxFault) return error.message;
    throw error;
  }
  return "invalid JSON";
}

class SyntaxFault extends Error {}

class SyntaxWalk {
  #at = 0;

  constructor(private readonly text: string) {}

  end(): void {
    this.#space();
    if (this.#at < this.text.length) this.#fail("after top-level value");
  }

  value(context: string): void {
    this.#space();
    const first = this.text[this.#at];
    if (first === "{") return this.#object();
    if (first === "[") return this.#array();
    if (first === '"') return this.#string();
    if (first === "t") return this.#literal("true");
    if (first === "f") return this.#literal("false");
    if (first === "n") return this.#literal("null");
    if (first !== undefined && /[-0-9]/.test(first)) return this.#number();
    this.#fail(context);
  }

  #object(): void {
    this.#at++;
    this.#space();
    if (this.#take("}")) return;
    for (;;) {
      this.#space();
      if (this.text[this.#at] !== '"') this.#fail("looking for beginning of object key string");
      this.#string();
      this.#space();
      if (!this.#take(":")) this.#fail("after object key");
      this.value("looking for beginning of value");
      this.#space();
      if (this.#take("}")) return;
      if (!this.#take(",")) this.#fail("after object key:value pair");
    }
  }

  #array(): void {
    this.#at++;
    this.#space();
    if (this.#take("]")) return;
    for (;;) {
      this.value("looking for beginning of value");
      this.#space();
      if (this.#take("]")) return;
      if (!this.#take(",")) this.#fail("after array element");
    }
  }

  #string(): void {
    for (this.#at++; !this.#take('"'); this.#at++) {
      const char = this.text[this.#at];
      if (char === undefined || char < " ") this.#fail("in string literal");
      if (char !== "\\") continue;
      this.#at++;
      if (this.text[this.#at] === "u") this.#hex();
      else if (!/["\\/bfnrt]/.test(this.text[this.#at] ?? " ")) this.#fail("in string escape code");
    }
  }

  #hex(): void {
    for (let digit = 0; digit < 4; digit++) {
      this.#at++;
      if (!/[0-9a-fA-F]/.test(this.text[this.#at] ?? " ")) this.#fail("in \\u hexadecimal character escape");
    }
  }

  #literal(word: string): void {
    for (let i = 0; i < word.length; i++, this.#at++) {
      if (this.text[this.#at] !== word[i]) this.#fail(`in literal ${word} (expecting '${word[i]}')`);
    }
  }

  #number(): void {
    this.#take("-");
    if (!this.#take("0")) this.#digits("in numeric literal");
    if (this.#take(".")) this.#digits("after decimal point in numeric literal");
    if (this.#take("e") || this.#take("E")) {
      if (!this.#take("+")) this.#take("-");
      this.#digits("in exponent of numeric literal");
    }
  }

  #digits(context: string): void {
    if (!/[0-9]/.test(this.text[this.#at] ?? " ")) this.#fail(context);
    while (/[0-9]/.test(this.text[this.#at] ?? " ")) this.#at++;
  }

  #take(char: string): boolean {
    if (this.text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #space(): void {
    while (/[ \t\r\n]/.test(this.text[this.#at] ?? "x")) this.#at++;
  }

  #fail(context: string): never {
    const char = this.text[this.#at];
    if (char === undefined) throw new SyntaxFault("unexpected end of JSON input");
    throw new SyntaxFault(`invalid character ${quoteChar(char)} ${context}`);
  }
}

function quoteChar(char: string): string {
  if (char === "'") return "'\\''";
  if (char === '"') return "'\"'";
  const escaped = JSON.stringify(char).slice(1, -1);
  return `'${escaped.startsWith("\\u00") ? `\\x${escaped.slice(4)}` : escaped}'`;
}
