import { chooseLogContainer, parseLogOptions } from "./log-request.js";

function podWith(status: Record<string, unknown>): Parameters<typeof chooseLogContainer>[0] {
  return { metadata: { name: "web" }, status: { containerStatuses: [{ name: "c", ...status }] } } as Parameters<
    typeof chooseLogContainer
  >[0];
}

describe("chooseLogContainer", () => {
  it.each([
    [
      "the running one",
      { containerID: "r://2", state: { running: {} }, lastState: { terminated: { containerID: "r://1" } } },
      false,
      { containerID: "r://2" },
    ],
    [
      "the one before it",
      { containerID: "r://2", state: { running: {} }, lastState: { terminated: { containerID: "r://1" } } },
      true,
      { containerID: "r://1" },
    ],
    [
      "the last one while the next waits",
      { state: { waiting: { reason: "CrashLoopBackOff" } }, lastState: { terminated: { containerID: "r://1" } } },
      false,
      { containerID: "r://1" },
    ],
    ["none before the first", { state: { running: {} } }, true, { problem: 'previous terminated container "c" in pod "web" not found' }],
    [
      "none while it is created",
      { state: { waiting: { reason: "ContainerCreating" } } },
      false,
      { problem: 'container "c" in pod "web" is waiting to start: ContainerCreating' },
    ],
    [
      "none without its image",
      { state: { waiting: { reason: "ErrImagePull" } } },
      false,
      { problem: `container "c" in pod "web" is waiting to start: image can't be pulled` },
    ],
  ])("takes %s", (_, status, previous, expected) => {
    expect(chooseLogContainer(podWith(status), "c", previous)).toEqual(expected);
  });

  it("does not know a container without status", () => {
    expect(chooseLogContainer(podWith({}), "other", false)).toEqual({ problem: 'container "other" in pod "web" is not available' });
  });
});

describe("parseLogOptions", () => {
  it("reads every option", () => {
    const query = new URLSearchParams("follow=true&timestamps=true&tailLines=3&limitBytes=10&sinceSeconds=2&stream=Stderr");
    expect(parseLogOptions(query, 10_000)).toEqual({
      follow: true,
      timestamps: true,
      tailLines: 3,
      limitBytes: 10,
      sinceMs: 8_000,
      stream: "Stderr",
    });
  });

  it("refuses what is not a number", () => {
    expect(parseLogOptions(new URLSearchParams("tailLines=x"), 0)).toHaveProperty("problem");
  });
});
