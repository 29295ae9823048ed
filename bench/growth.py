"""`bench/run.py growth`: ADD on an empty node and on a full one, in turns, so that both meet the same machine.

In: root. Out: `bench/results/growth.json, .md`: medians, their ratio by round, the agent's CPU. Takes half a minute.
"""

from __future__ import annotations

import json
import platform
import statistics
from typing import Any

from cni import FULL, RESULTS, SERIAL, Contender

ROUNDS = 6


def measure() -> dict[str, list[dict[str, float]]]:
    """By number of pods: of each round the medians of ADD and DEL and the agent's CPU for both, in ms."""
    worlds = {pods: Contender("tandem", 0) for pods in (0, FULL)}
    found: dict[str, list[dict[str, float]]] = {str(pods): [] for pods in worlds}
    for pods, world in worlds.items():
        world.do("fill", pods)
        world.do("parallel", SERIAL, 1)
    for number in range(ROUNDS):
        for pods, world in list(worlds.items())[:: -1 if number % 2 else 1]:
            found[str(pods)].append(world.do("cost", SERIAL))
    for world in worlds.values():
        world.close()
    return found


def main() -> None:
    found = measure()
    empty, full = found.values()
    ratios = [round(b["add"] / a["add"], 2) for a, b in zip(empty, full, strict=True)]
    whole: dict[str, Any] = {
        "what": f"One ADD on a node with no pod and with {FULL}, in turns",
        "machine": f"{platform.machine()}, kernel {platform.release()}",
        "rounds": found,
        "growth": round(statistics.median(ratios), 2),
        "round by round": ratios,
    }
    lines = [f"# {whole['what']}", "", f"{whole['machine']}; {ROUNDS} rounds of {SERIAL}; ms.", ""]
    lines += ["| pods | ADD | DEL | CPU of the agent for both |", "|---|---|---|---|"]
    for pods, rounds in found.items():
        figures = [f"{statistics.median(r[what] for r in rounds):.2f}" for what in ("add", "del", "cpu")]
        lines.append(f"| {pods} | {' | '.join(figures)} |")
    lines += ["", f"Growth of ADD: {whole['growth']} (round by round {' '.join(map(str, ratios))}); target 1.3."]
    (RESULTS / "growth.json").write_text(json.dumps(whole, indent=1) + "\n")
    (RESULTS / "growth.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
