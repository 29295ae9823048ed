"""The address groups that policy sets refer to, and whether egress sets let pods ask the cluster's DNS."""

from __future__ import annotations

from tandem.base.ids import GroupId
from tandem.base.problems import Problem
from tandem.base.table import Table
from tandem.ir.policy import AddressGroup, Side
from tandem.model import core
from tandem.model.world import World
from tandem.translate.live.crowd import Crowd, Selection
from tandem.translate.live.made import Made
from tandem.translate.policy import warn
from tandem.translate.policy.draft import NodeSelector, PodSelector
from tandem.translate.policy.select import Population, address_group


class _Use:
    """A group. `selection` None: of nodes."""

    __slots__ = ("selection", "selector", "users")

    def __init__(self, selector: PodSelector | NodeSelector, selection: Selection | None) -> None:
        self.selector, self.selection = selector, selection
        self.users: set[Made] = set()


class Groups:
    """Each group is filled for as long as some set refers to it."""

    def __init__(self, crowd: Crowd, dns_addresses: tuple[str, ...]) -> None:
        self._crowd, self._dns = crowd, dns_addresses
        self._uses: dict[GroupId, _Use] = {}
        self._of_nodes: set[GroupId] = set()
        self._stale: set[GroupId] = set()
        self._doubtful: set[Made] = set()
        self._nodes: object = None
        self._groups: Table[GroupId, AddressGroup] = Table()

    def use(self, made: Made) -> None:
        """These sets refer to groups."""
        for name, selector in made.groups.items():
            use = self._uses.get(name)
            if use is None:
                selection = self._crowd.acquire(selector) if isinstance(selector, PodSelector) else None
                use = self._uses[name] = _Use(selector, selection)
                self._stale.add(name)
                if selection is not None:
                    self._crowd.group(selection, 1)
                else:
                    self._of_nodes.add(name)
            use.users.add(made)
        if made.key[0] is Side.EGRESS:
            self._doubtful.add(made)

    def leave(self, made: Made) -> None:
        """They do no longer."""
        self._doubtful.discard(made)
        for name in made.groups:
            use = self._uses[name]
            use.users.discard(made)
            if use.users:
                continue
            del self._uses[name]
            self._of_nodes.discard(name)
            self._stale.add(name)
            if use.selection is not None:
                self._crowd.group(use.selection, -1)
                self._crowd.release(use.selection)

    def update(self, now: World) -> Table[GroupId, AddressGroup]:
        """Every group, filled."""
        stale, self._stale = self._stale, set()
        stale |= {selection.id for selection in self._crowd.stirred}
        if self._nodes is not now.all(core.Node):
            self._nodes = now.all(core.Node)
            stale |= self._of_nodes
        put: dict[GroupId, AddressGroup] = {}
        for name in stale & self._uses.keys():
            use, known = self._uses[name], self._groups.get(name)
            if use.selection is None:
                made = address_group(use.selector, Population(now, ()).addresses(use.selector))
                doubt = True
            else:
                doubt = known is None or not use.selection.touched.isdisjoint(self._dns)
                made = self._crowd.addresses(use.selection)
            put[name] = known if known == made and known is not None else made
            if doubt:
                self._doubtful |= {user for user in use.users if user.key[0] is Side.EGRESS}
        self._groups = self._groups.changed(put, stale - self._uses.keys())
        return self._groups

    def doubtful(self) -> set[Made]:
        """Sets of egress that are new, or of which a group has a resolver more or less, since the last call."""
        found, self._doubtful = self._doubtful, set()
        return found

    def about_dns(self, made: Made) -> tuple[Problem, ...]:
        """What is told of a set's access to DNS."""
        if made.enforced is None:
            return ()
        return warn.dns_refused(made.enforced, self._dns, self._has)

    def _has(self, group: GroupId, address: str) -> bool:
        use = self._uses[group]
        if use.selection is None:
            return address in self._groups[group].addresses
        return self._crowd.has(use.selection, address)
