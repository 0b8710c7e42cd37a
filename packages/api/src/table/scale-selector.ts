import { compileLabelSelector, type LabelSelector } from "@lenj/apimachinery";

/** The selector as Scale.status.selector carries it; "" when there is none. */
export function scaleSelector(selector: LabelSelector | undefined): string {
  try {
    return compileLabelSelector(selector).toString();
  } catch {
    // Stored before a rule existed: the scale stays readable.
    return "";
  }
}
