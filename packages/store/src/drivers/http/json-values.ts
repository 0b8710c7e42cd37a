/** Cuts a text that arrives in parts into the JSON objects that stand in it one after another. */
export class JSONValues {
  #text = "";
  #position = 0;
  #depth = 0;
  #isInString = false;
  #isEscaped = false;

  /** The objects that are complete now, as text. */
  push(part: string): string[] {
    this.#text += part;
    const complete: string[] = [];
    for (; this.#position < this.#text.length; this.#position += 1) {
      if (!this.#step(this.#text[this.#position] as string)) continue;
      complete.push(this.#text.slice(0, this.#position + 1));
      this.#text = this.#text.slice(this.#position + 1);
      this.#position = -1;
    }
    return complete;
  }

  /** What has begun and is not complete. */
  get rest(): string {
    return this.#text.trim();
  }

  /** True when the character ends an object. */
  #step(character: string): boolean {
    if (this.#isInString) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (character === "\\") this.#isEscaped = true;
      else if (character === '"') this.#isInString = false;
      return false;
    }
    if (character === '"') this.#isInString = true;
    else if (character === "{") this.#depth += 1;
    else if (character === "}") {
      this.#depth -= 1;
      return this.#depth === 0;
    }
    return false;
  }
}
