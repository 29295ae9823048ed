"""What several kinds of Consul have in common: durations, header changes, places that are not here. Pure."""

from __future__ import annotations

from typing import Final

from tandem.ir.mesh import HeaderEdit
from tandem.model.consulroutes import HeaderModifiers
from tandem.translate.mesh.values import Wrong, duration, header_mistake, literal

EVERY: Final = "*"
"""The failover of all subsets that have none of their own."""
FAR: Final = (
    ("partition", "partition"),
    ("datacenter", "datacenter"),
    ("peer", "peer"),
    ("samenessGroup", "sameness_group"),
)
"""Fields that name other clusters."""


def time_of(text: str, at: str, wrong: Wrong) -> int | None:
    """Milliseconds: None where nothing is said (or 0), 0 for what has no end, which is said by less than that."""
    if text.startswith("-"):
        return 0
    return duration(text.removeprefix("+"), at, wrong, such_as="500ms or 1m30s") or None


def edit_of(asked: HeaderModifiers, at: str, wrong: Wrong) -> HeaderEdit:
    """Header changes; those that nobody can make are told."""
    for verb, names in (("set", asked.set), ("add", asked.add), ("remove", asked.remove)):
        for name in names:
            mistake = header_mistake(name)
            if mistake:
                wrong(f"{at}.{verb}[{name}]", "UnsupportedValue", mistake)
    return HeaderEdit(
        set=tuple(sorted((k.lower(), literal(v)) for k, v in asked.set.items())),
        add=tuple(sorted((k.lower(), literal(v)) for k, v in asked.add.items())),
        remove=tuple(sorted(n.lower() for n in asked.remove)),
    )


def merged(first: HeaderEdit, last: HeaderEdit) -> HeaderEdit:
    """Changes of two splitters of which one is within the other, in the order in which they are made.

    Of one header the last word counts: the inner one's for requests, and the outer one's for what comes back.
    """
    return HeaderEdit(
        set=tuple(sorted((dict(first.set) | dict(last.set)).items())),
        add=tuple(sorted((dict(first.add) | dict(last.add)).items())),
        remove=tuple(sorted({*first.remove, *last.remove})),
    )
