// $(NAME) references in env values, commands, arguments and subPathExpr. Upstream: third_party/forked/golang/expansion.

/**
 * Replaces `$(NAME)` by `lookup(NAME)`; `$$` is a literal `$`, so `$$(NAME)` is not replaced.
 * A reference that `lookup` does not know stays as written.
 */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  let result = "";
  for (let position = 0; position < text.length; position += 1) {
    const letter = text.charAt(position);
    if (letter !== "$" || position + 1 >= text.length) {
      result += letter;
      continue;
    }
    const next = text.charAt(position + 1);
    if (next === "$") {
      result += "$";
      position += 1;
      continue;
    }
    const end = next === "(" ? text.indexOf(")", position + 2) : -1;
    if (end === -1) {
      result += letter;
      continue;
    }
    const name = text.slice(position + 2, end);
    result += lookup(name) ?? `$(${name})`;
    position = end;
  }
  return result;
}
