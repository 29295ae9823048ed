"""The sentences of `tandem verify`: `web may reach orders:8080`, `nobody outside shop may reach db`.

In: a YAML file with `intents:`, a list of sentences, and `namespace:`, that of names without one. Out: Intents, or
IntentError with every mistake as `file:line:column: message`. Nothing is looked up here: `views/intent_who.py` does.

    intent = who verb who ["on" ports]
    who    = ("anyone" | "nobody" | "pods") {"in" NS | "outside" NS} ["except" list] | ["only"] list
    list   = item {("," | "and" | "or") item}
    item   = [NS "/"] [KIND "/"] NAME | [NS "/"] LABEL "=" VALUE {"," ...} | "namespace" NS | "the internet" | CIDR
    verb   = ("may" | "can" | "must") ["not"] "reach" | "cannot reach" | "reaches"
    ports  = PORT ["-" PORT] ["/" PROTOCOL] {"," ...}; with a colon also right behind the last item
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import yaml

KINDS: Final = {
    "pod": "pod",
    "po": "pod",
    "deploy": "deploy",
    "deployment": "deploy",
    "svc": "svc",
    "service": "svc",
    "ns": "namespace",
    "namespace": "namespace",
}
PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
_EVERYBODY: Final = frozenset({"anyone", "anybody", "everyone", "everybody"})
_NOBODY: Final = frozenset({"nobody", "none"})
_VERBS: Final = (
    (("may", "not", "reach"), False),
    (("can", "not", "reach"), False),
    (("must", "not", "reach"), False),
    (("cannot", "reach"), False),
    (("may", "reach"), True),
    (("can", "reach"), True),
    (("must", "reach"), True),
    (("reaches",), True),
    (("reach",), True),
)
_BEGINS: Final = frozenset(words[0] for words, _ in _VERBS)
_ENDS: Final = _BEGINS | {"on", "in", "outside", "except"}
_WORDS: Final = re.compile(r"(?:[^\s,]|,(?=\S))+|,")
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_PORT: Final = re.compile(r"(?P<first>\d+)(-(?P<last>\d+))?(/(?P<protocol>[A-Za-z]+))?")
_PORT_NAME: Final = re.compile(r"(?P<name>[a-z][-a-z0-9]*)(/(?P<protocol>[A-Za-z]+))?")


class IntentError(ValueError):
    """What is wrong with the sentences: one line of `errors` per mistake."""

    def __init__(self, errors: tuple[str, ...]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


class At(msgspec.Struct, frozen=True, kw_only=True):
    """Where something is written; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        """As compilers write it."""
        return f"{self.file}:{self.line}:{self.column}"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is named. `kind` is name, pod, deploy, svc, namespace, labels, cidr or internet."""

    at: At
    kind: str
    text: str
    namespace: str = ""
    """Empty: the file's; `*`: every one."""
    name: str = ""
    labels: tuple[tuple[str, str], ...] = ()


class Who(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a sentence. `everybody`: pods and, unless `pods_only`, addresses outside, as far as scopes let."""

    at: At
    everybody: bool = False
    pods_only: bool = False
    inside: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()
    excepts: tuple[Item, ...] = ()


class Port(msgspec.Struct, frozen=True, kw_only=True):
    """A range of numbers, or a name of container ports, of one protocol."""

    protocol: str
    first: int = 0
    last: int = 0
    name: str = ""


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """`allowed`: each source reaches each destination; else: none reaches any. `only`: and nobody else does."""

    at: At
    text: str
    namespace: str
    allowed: bool
    source: Who
    destination: Who
    ports: tuple[Port, ...] = ()
    only: bool = False


def read_intents(path: Path) -> tuple[Intent, ...]:
    """Every sentence of a file; raises IntentError, or OSError where it cannot be read."""
    return parse_intents(path.read_text(encoding="utf-8-sig"), str(path))


def parse_intents(text: str, file: str) -> tuple[Intent, ...]:
    """The same of text; `file` is for messages."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark
        where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark is not None else file
        raise IntentError((f"{where}: {err.problem}",)) from err
    namespace, sentences = _document(root, file)
    found: list[Intent] = []
    errors: list[str] = []
    for at, sentence in sentences:
        try:
            found.append(_Sentence(at, sentence, namespace).intent())
        except _MistakeError as err:
            errors.append(f"{err.at}: {err}")
    if errors:
        raise IntentError(tuple(errors))
    return tuple(found)


def _document(root: yaml.Node | None, file: str) -> tuple[str, list[tuple[At, str]]]:
    if not isinstance(root, yaml.MappingNode):
        raise IntentError((f"{_place(root, file)}: write `intents:` and a list of sentences",))
    namespace = "default"
    sentences: list[tuple[At, str]] = []
    for key, value in root.value:
        match key.value:
            case "namespace" if isinstance(value, yaml.ScalarNode) and _NAME.fullmatch(value.value):
                namespace = value.value
            case "intents" if isinstance(value, yaml.SequenceNode):
                for item in value.value:
                    if not isinstance(item, yaml.ScalarNode) or item.style in {"|", ">"}:
                        raise IntentError((f"{_place(item, file)}: a sentence is text on one line",))
                    sentences.append((_place(item, file, 1 if item.style else 0), str(item.value)))
            case "namespace" | "intents":
                raise IntentError((f"{_place(value, file)}: {key.value}: it is not of this form",))
            case unknown:
                raise IntentError((f"{_place(key, file)}: {unknown}: known are namespace and intents",))
    if not sentences:
        raise IntentError((f"{_place(root, file)}: intents: there is no sentence",))
    return namespace, sentences


def _place(node: yaml.Node | None, file: str, quote: int = 0) -> At:
    if node is None:
        return At(file=file, line=1, column=1)
    return At(file=file, line=node.start_mark.line + 1, column=node.start_mark.column + 1 + quote)


class _MistakeError(ValueError):
    def __init__(self, at: At, text: str) -> None:
        super().__init__(text)
        self.at = at


class _Sentence:
    """One sentence, read from left to right."""

    def __init__(self, at: At, text: str, namespace: str) -> None:
        self._at = at
        self._text = text
        self._namespace = namespace
        self._words = [(m.group(), m.start()) for m in _WORDS.finditer(text)]
        self._next = 0
        self._behind: tuple[Port, ...] = ()

    def intent(self) -> Intent:
        source, nobody, only = self._who()
        allowed = self._verb()
        destination, to_nobody, to_only = self._who(last=True)
        if to_only:
            raise self._mistake("only: it stands before those who may reach", destination.at)
        if not allowed and (nobody or to_nobody or only):
            raise self._mistake("it says no twice: write `may reach`", source.at)
        if nobody and to_nobody:
            raise self._mistake("it says no twice: write `anyone`", destination.at)
        ports = self._behind
        if self._peek() == "on":
            on = self._here()
            self._take()
            if ports:
                raise self._mistake("the ports are given already", on)
            ports = self._ports()
        if self._peek():
            raise self._mistake(f"{self._peek()!r}: the sentence should end here")
        return Intent(
            at=self._at,
            text=self._text,
            namespace=self._namespace,
            allowed=allowed and not nobody and not to_nobody,
            source=source,
            destination=destination,
            ports=ports,
            only=only,
        )

    def _peek(self) -> str:
        return self._words[self._next][0] if self._next < len(self._words) else ""

    def _take(self) -> str:
        word = self._peek()
        self._next += 1
        return word

    def _here(self) -> At:
        column = self._words[self._next][1] if self._next < len(self._words) else len(self._text)
        return msgspec.structs.replace(self._at, column=self._at.column + column)

    def _mistake(self, text: str, at: At | None = None) -> _MistakeError:
        return _MistakeError(at or self._here(), text)

    def _verb(self) -> bool:
        for words, allowed in _VERBS:
            if [w.lower() for w, _ in self._words[self._next : self._next + len(words)]] == list(words):
                self._next += len(words)
                return allowed
        raise self._mistake(f"{self._peek() or 'the end'}: here should be `may reach` or `may not reach`")

    def _who(self, *, last: bool = False) -> tuple[Who, bool, bool]:
        """(who, it is nobody, it is only these)."""
        at, word = self._here(), self._peek().lower()
        bare, ports = self._split(last=last)
        head = bare.lower()
        if head in _EVERYBODY | _NOBODY or (head == "pods" and "=" not in self._after()):
            self._take()
            self._behind = ports
            inside, outside = self._scopes(last=last)
            excepts = self._list(last=False) if self._word("except") else ()
            who = Who(
                at=at,
                everybody=True,
                pods_only=head == "pods",
                inside=inside,
                outside=outside,
                excepts=excepts,
            )
            return who, head in _NOBODY, False
        only = word == "only"
        if only:
            self._take()
        return Who(at=at, items=self._list(last=last)), False, only

    def _after(self) -> str:
        return self._words[self._next + 1][0] if self._next + 1 < len(self._words) else ""

    def _word(self, wanted: str) -> bool:
        if self._peek().lower() != wanted:
            return False
        self._take()
        return True

    def _scopes(self, *, last: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
        found: dict[str, list[str]] = {"in": [], "outside": []}
        while self._peek().lower() in found:
            word = self._take().lower()
            name, ports = self._split(last=last)
            if not _NAME.fullmatch(name):
                raise self._mistake(f"{name or 'the end'}: after {word} comes the name of a namespace")
            self._behind = self._behind or ports
            self._take()
            found[word].append(name)
        return tuple(found["in"]), tuple(found["outside"])

    def _list(self, *, last: bool) -> tuple[Item, ...]:
        items = [self._item(last=last)]
        while self._peek().lower() in {",", "and", "or"}:
            self._take()
            items.append(self._item(last=last))
        return tuple(items)

    def _item(self, *, last: bool) -> Item:
        at, word = self._here(), self._peek().lower()
        if not word or word in _ENDS | {","}:
            raise self._mistake(f"{word or 'the end'}: here should be a name, labels or addresses")
        if word == "the" and self._after():
            self._take()
            word = self._peek().lower()
        text, ports = self._split(last=last)
        self._take()
        if word in {"pods", "namespace"} and self._peek().lower() not in _ENDS | {""}:
            text, ports = self._split(last=last)
            self._take()
            text = f"ns/{text}" if word == "namespace" else text
        self._behind = self._behind or ports
        item = self._named(at, text)
        if item.kind == "labels" and self._word("in"):
            name, ports = self._split(last=last)
            self._take()
            self._behind = self._behind or ports
            return msgspec.structs.replace(item, namespace=name)
        return item

    def _split(self, *, last: bool) -> tuple[str, tuple[Port, ...]]:
        """The next word and the ports behind its colon; addresses of IPv6 stand in brackets where ports follow."""
        word = self._peek()
        if ":" not in word or _is_network(word):
            return word, ()
        name, _, ports = word.rpartition(":")
        if not last:
            raise self._mistake(f"{word}: ports belong to those who are reached")
        column = self._here().column + len(name) + 1
        return name.strip("[]"), _ports_in(ports, msgspec.structs.replace(self._at, column=column))

    def _ports(self) -> tuple[Port, ...]:
        found: list[Port] = []
        while True:
            at, word = self._here(), self._take()
            found += _ports_in(word.removeprefix(":"), at)
            if self._peek().lower() not in {",", "and"}:
                return tuple(found)
            self._take()

    def _named(self, at: At, text: str) -> Item:
        if text.lower() == "internet":
            return Item(at=at, kind="internet", text="the internet")
        if _is_network(text):
            return Item(at=at, kind="cidr", text=text, name=str(ipaddress.ip_network(text, strict=False)))
        if "=" in text:
            head, slash, labels = text.partition("/") if "/" in text.partition("=")[0] else ("", "", text)
            if slash and "." in head:  # example.com/part-of=shop: the slash is the label's
                head, labels = "", text
            pairs = tuple(tuple(part.split("=", 1)) for part in labels.split(","))
            if not all(len(pair) == 2 and pair[0] for pair in pairs):
                raise self._mistake(f"{text}: labels are written key=value,key=value", at)
            return Item(at=at, kind="labels", text=text, namespace=head, labels=tuple((k, v) for k, v in pairs))
        parts = text.split("/")
        space = parts.pop(0) if len(parts) > 1 and parts[0] not in KINDS else ""
        kind = KINDS[parts.pop(0)] if len(parts) > 1 and parts[0] in KINDS else "name"
        if len(parts) != 1 or not _NAME.fullmatch(parts[0]) or (kind == "namespace" and space):
            raise self._mistake(
                f"{text}: write [NS/]NAME, [NS/]KIND/NAME ({', '.join(KINDS)}), LABEL=VALUE or a CIDR", at
            )
        return Item(at=at, kind=kind, text=text, namespace=space, name=parts[0])


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _ports_in(text: str, at: At) -> tuple[Port, ...]:
    return tuple(port for word in text.split(",") for port in _port(word, at))


def _port(word: str, at: At) -> Iterator[Port]:
    if word.upper() in PROTOCOLS:
        yield Port(protocol=word.upper(), first=1, last=65535)
        return
    found = _PORT.fullmatch(word) or _PORT_NAME.fullmatch(word)
    if found is None:
        raise _MistakeError(at, f"{word or 'the end'}: a port is 80, 8000-8010, 53/UDP, a name such as http, or TCP")
    given = found.groupdict()
    protocol = (given["protocol"] or "TCP").upper()
    if protocol not in {*PROTOCOLS, "ANY"}:
        raise _MistakeError(at, f"{word}: the protocol is TCP, UDP, SCTP or any")
    first, last = int(given.get("first") or 0), int(given.get("last") or given.get("first") or 0)
    if "name" not in given and not 0 < first <= last < 65536:
        raise _MistakeError(at, f"{word}: ports are numbers from 1 to 65535, the smaller first")
    for each in PROTOCOLS if protocol == "ANY" else (protocol,):
        yield Port(protocol=each, first=first, last=last, name=given.get("name") or "")
