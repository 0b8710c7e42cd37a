// Cells that several kinds show.
import { column, formatLabelSelector, type KubernetesObject, type LabelSelector, type TableCellSource } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";

type TemplateOf<T> = (object: T) => corev1.PodTemplateSpec | undefined;

/** Wide columns Containers and Images of a pod template. */
export function templateCells<T extends KubernetesObject>(templateOf: TemplateOf<T>): TableCellSource<T>[] {
  return [
    [
      column("Containers", { wide: true, description: "Names of each container in the template." }),
      (object) => containerNames(templateOf(object)),
    ],
    [
      column("Images", { wide: true, description: "Images referenced by each container in the template." }),
      (object) => containerImages(templateOf(object)),
    ],
  ];
}

export function containerNames(template: corev1.PodTemplateSpec | undefined): string {
  return (template?.spec?.containers ?? []).map((container) => container.name).join(",");
}

export function containerImages(template: corev1.PodTemplateSpec | undefined): string {
  return (template?.spec?.containers ?? []).map((container) => container.image ?? "").join(",");
}

/** Wide column Selector. */
export function selectorCell<T extends KubernetesObject>(selectorOf: (object: T) => LabelSelector | undefined): TableCellSource<T> {
  return [
    column("Selector", { wide: true, description: "Which pods belong to this object." }),
    (object) => formatLabelSelector(selectorOf(object)),
  ];
}

/** `ReadWriteOnce` and its like as RWO, ROX, RWX, RWOP. */
export function formatAccessModes(modes: readonly string[] | undefined): string {
  const short: Readonly<Record<string, string>> = {
    ReadWriteOnce: "RWO",
    ReadOnlyMany: "ROX",
    ReadWriteMany: "RWX",
    ReadWriteOncePod: "RWOP",
  };
  // The order is fixed, whatever the object's.
  return Object.keys(short)
    .filter((mode) => modes?.includes(mode))
    .map((mode) => short[mode])
    .join(",");
}
