/** Structured fields of one log line. Keys are lowerCamel; an object's key is its kind (`pod: "ns/name"`). */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * What code sees of logging; only component-base knows the library behind it.
 * Messages are constants in sentence case without a period; what varies goes into fields.
 */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** False lets hot paths skip building fields. */
  readonly isDebugEnabled: boolean;
  child(fields: LogFields): Logger;
}

/** Discards everything. For tests and defaults. */
export const silentLogger: Logger = {
  error: () => {},
  warn: () => {},
  info: () => {},
  debug: () => {},
  isDebugEnabled: false,
  child: () => silentLogger,
};
