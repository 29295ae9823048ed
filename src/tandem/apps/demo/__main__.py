"""`python -m tandem.apps.demo [--keep]`: run the story; exit status 1 if anything was not as it should be."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tandem.apps.demo import steps
from tandem.apps.demo.teller import Teller
from tandem.base.paths import RunDir
from tandem.runtime import preflight
from tandem.runtime.kernelstate import picture

NEXT = """
   It goes on running. Try:
     tandem status
     tandem flows --follow
     tandem exec -n shop client -- curl -s http://frontend/call
     tandem explain shop/client shop/svc/my-service:80 --path /v1
     tandem get pods -A -o wide
     KUBECONFIG={kubeconfig} kubectl get virtualservices -A
   and when you are done: tandem down
"""


def main() -> int:
    """The whole story."""
    keep = "--keep" in sys.argv[1:]
    if lines := preflight.missing():
        sys.stderr.write("".join(f"error: {line}\n" for line in lines))
        return 1
    os.chdir(Path(__file__).parents[4])
    teller, run_dir = Teller(), RunDir.default()
    if run_dir.root.exists():
        teller.say(f"{run_dir.root} exists: taking down what runs there")
        teller.tandem("down")
    before = picture(run_dir.root)
    try:
        if steps.start(teller):
            for step in (steps.subsets, steps.canary, steps.encryption, steps.lockdown, steps.replacement):
                step(teller)
    finally:
        if keep:
            teller.console.print(NEXT.format(kubeconfig=run_dir.kubeconfig), markup=False)
        else:
            steps.clean_up(teller, before, run_dir)
    if teller.failed:
        teller.console.print(f"\n[bold red]{len(teller.failed)} of the story's expectations did not hold:[/]")
        for what in teller.failed:
            teller.console.print(f"   {what}", markup=False)
        return 1
    teller.console.print("\n[bold green]Every expectation of the story held.[/]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
