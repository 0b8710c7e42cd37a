import { type Plugin, scoreMax } from "../../core/framework.js";
import type { NodeInfo, NodeSnapshot } from "../../core/node-snapshot.js";

const mebibyte = 1024 * 1024;
/** Below the first an image is not worth a preference; above the second (a container) more does not count. */
const leastBytes = 23 * mebibyte;
const mostBytesPerContainer = 1_000 * mebibyte;

/** Prefers nodes that already have the pod's images, weighed by how many nodes have them. */
export const imageLocality: Plugin<NodeSnapshot> = {
  name: "ImageLocality",
  weight: 1,
  wakesOn: [],
  preScore: (_pod, _nodes, snapshot) => snapshot,
  score: ({ pod }, node, snapshot) => {
    const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
    const bytes = containers.reduce((sum, container) => sum + weighedBytes(withTag(container.image ?? ""), node, snapshot), 0);
    const most = mostBytesPerContainer * containers.length;
    return Math.floor((scoreMax * (Math.min(Math.max(bytes, leastBytes), most) - leastBytes)) / (most - leastBytes));
  },
};

function weighedBytes(image: string, node: NodeInfo, snapshot: NodeSnapshot): number {
  const bytes = node.images.get(image);
  if (bytes === undefined) return 0;
  const spread = snapshot.nodes.filter((candidate) => candidate.images.has(image)).length / snapshot.nodes.length;
  return Math.floor(bytes * spread);
}

function withTag(image: string): string {
  return image.lastIndexOf(":") <= image.lastIndexOf("/") ? `${image}:latest` : image;
}
