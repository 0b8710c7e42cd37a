// Kinds of flags as Go's flag package and etcd's pkg/flags read them: the texts that they refuse a value with are theirs.
import { boolFlag, durationFlag, type FlagSpec, intFlag } from "@lenj/component-base";

const parseError = "parse error";

/** Any failure is told as Go's flag package does. */
function withParseError<T>(spec: FlagSpec<T>, isAllowed: (value: T) => boolean = () => true): FlagSpec<T> {
  return {
    ...spec,
    parse: (text, previous) => {
      let value: T;
      try {
        value = spec.parse(text, previous);
      } catch (error) {
        throw new Error(parseError, { cause: error });
      }
      if (!isAllowed(value)) throw new Error(parseError);
      return value;
    },
  };
}

export const switchFlag = (description: string, defaultValue = false): FlagSpec<boolean> =>
  withParseError(boolFlag(description, defaultValue));

/** A whole number of either sign. */
export const numberFlag = (description: string, defaultValue: number): FlagSpec<number> =>
  withParseError(intFlag(description, defaultValue), Number.isSafeInteger);

/** A whole number that is not negative. */
export const countFlag = (description: string, defaultValue: number): FlagSpec<number> =>
  withParseError(intFlag(description, defaultValue), (value) => Number.isSafeInteger(value) && value >= 0);

/** A Go duration, in milliseconds. */
export const timeFlag = (description: string, defaultMs: number): FlagSpec<number> => withParseError(durationFlag(description, defaultMs));

export function choiceFlag(description: string, defaultValue: string, choices: readonly string[]): FlagSpec<string> {
  return {
    ...{ description, default: defaultValue, placeholder: choices.join("|"), isSwitch: false },
    parse: (text) => {
      if (!choices.includes(text)) throw new Error("invalid value");
      return text;
    },
  };
}

/** Addresses, separated by commas: scheme and "host:port". Upstream: types.NewURLs. */
export function urlsFlag(description: string, defaultValue: readonly string[] = []): FlagSpec<readonly string[]> {
  return {
    ...{ description, default: defaultValue, placeholder: "urls", isSwitch: false },
    parse: (text) => (text === "" ? [] : text.split(",").map((url) => parseURL(url.trim()))),
  };
}

function parseURL(text: string): string {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text)?.[1];
  if (scheme === "unix" || scheme === "unixs") throw new Error(`unix sockets are not served here: ${text}`);
  if (scheme !== "http" && scheme !== "https") throw new Error(`URL scheme must be http, https, unix, or unixs: ${text}`);
  const [, host, path = ""] = /^https?:\/\/([^/]*)(\/.*)?$/.exec(text) ?? [];
  if (host === undefined || !/^(\[[^\]]*\]|[^:]*):\d*$/.test(host))
    throw new Error(`URL address does not have the form "host:port": ${text}`);
  if (path !== "") throw new Error(`URL must not contain a path: ${text}`);
  return text;
}
