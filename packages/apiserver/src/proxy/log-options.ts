import { type FieldError, field, newInvalid } from "@lenj/apimachinery";

const wholeNumber = /^[+-]?\d+$/;

/** Throws StatusError Invalid naming every wrong option of a log request. Source: pkg/apis/core/validation ValidatePodLogOptions. */
export function validateLogOptions(query: URLSearchParams, podName: string): void {
  const errors: FieldError[] = [];
  const positive = (name: string, minimum: number, text: string): void => {
    const value = query.get(name);
    if (value === null || value === "") return;
    if (!wholeNumber.test(value) || Number(value) < minimum)
      errors.push(field.invalid(name, wholeNumber.test(value) ? Number(value) : value, text));
  };
  positive("tailLines", 0, "must be greater than or equal to 0");
  positive("limitBytes", 1, "must be greater than 0");
  if (query.get("sinceSeconds") && query.get("sinceTime"))
    errors.push(field.forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified"));
  else positive("sinceSeconds", 1, "must be greater than 0");
  if (errors.length > 0) throw newInvalid({ group: "", kind: "PodLogOptions" }, podName, errors);
}
