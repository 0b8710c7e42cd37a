// Paths of fields as error messages print them: `spec.containers[0].ports[1].name`, `metadata.labels[app.kubernetes.io/name]`.

export class FieldPath {
  readonly #parent: FieldPath | undefined;
  readonly #text: string;

  private constructor(parent: FieldPath | undefined, text: string) {
    this.#parent = parent;
    this.#text = text;
  }

  static of(name: string, ...more: string[]): FieldPath {
    return new FieldPath(undefined, name).child(...more);
  }

  child(...names: string[]): FieldPath {
    let path: FieldPath = this;
    for (const name of names) path = new FieldPath(path, `.${name}`);
    return path;
  }

  index(position: number): FieldPath {
    return new FieldPath(this, `[${position}]`);
  }

  key(key: string): FieldPath {
    return new FieldPath(this, `[${key}]`);
  }

  toString(): string {
    // Built on demand: paths are made for every field that is checked, but printed only for the few that are wrong.
    return this.#parent === undefined ? this.#text : this.#parent.toString() + this.#text;
  }
}
