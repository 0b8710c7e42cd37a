import type { LogFields, Logger } from "@lenj/base";

/** Keeps what was logged, for assertions. */
export class RecordingLogger implements Logger {
  readonly isDebugEnabled = true;

  constructor(
    readonly lines: { level: "error" | "warn" | "info" | "debug"; message: string; fields: LogFields }[] = [],
    readonly fields: LogFields = {},
  ) {}

  error(message: string, fields?: LogFields): void {
    this.lines.push({ level: "error", message, fields: { ...this.fields, ...fields } });
  }

  warn(message: string, fields?: LogFields): void {
    this.lines.push({ level: "warn", message, fields: { ...this.fields, ...fields } });
  }

  info(message: string, fields?: LogFields): void {
    this.lines.push({ level: "info", message, fields: { ...this.fields, ...fields } });
  }

  debug(message: string, fields?: LogFields): void {
    this.lines.push({ level: "debug", message, fields: { ...this.fields, ...fields } });
  }

  child(fields: LogFields): Logger {
    return new RecordingLogger(this.lines, { ...this.fields, ...fields });
  }
}
