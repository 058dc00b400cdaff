"""Whose memory an entry is for, and where it lies: the server's arguments, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePath
from urllib.parse import quote

from memori.errors import ConfigurationError
from memori.hooks.place import Place, find_place
from memori.model import MAX_NAME_CHARS
from memori.store.url import mask_password, parse_url
from memori_mcp.install.machine import Machine

_FLAGS = {
    "--user": "user",
    "--namespace": "namespace",
    "--personal-namespace": "personal_namespace",
    "--database": "database",
}
#: Variables that move where files lie, and that a client need not pass on.
_MOVING = ("XDG_DATA_HOME", "XDG_CONFIG_HOME")


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What is said to the server; None leaves it to the settings.

    Attributes:
        user: whose memory.
        namespace: which of theirs.
        personal_namespace: the one beside a project's.
        database: URL.
    """

    user: str | None = None
    namespace: str | None = None
    personal_namespace: str | None = None
    database: str | None = None

    @property
    def args(self) -> tuple[str, ...]:
        """As the server takes them."""
        said: list[str] = []
        for flag, name in _FLAGS.items():
            value = getattr(self, name)
            if value is not None:
                said += [flag, value]
        return tuple(said)

    def over(self, other: ServerOptions) -> ServerOptions:
        """These, and where they say nothing, the other ones."""
        mine = {each.name: getattr(self, each.name) for each in fields(self)}
        return replace(other, **{name: value for name, value in mine.items() if value is not None})


def read_args(args: Sequence[str]) -> ServerOptions | None:
    """The options in the arguments of an entry; None if there are others among them."""
    values: dict[str, str] = {}
    words = list(args)
    while words:
        flag, joined, value = words.pop(0).partition("=")
        if flag not in _FLAGS or (not joined and not words):
            return None
        values[_FLAGS[flag]] = value if joined else words.pop(0)
    return ServerOptions(**values)


def check_options(options: ServerOptions, machine: Machine) -> ServerOptions:
    """Check what a person gave, before a client trips over it.

    Returns:
        The options, a database in the home folder by its full path.

    Raises:
        ConfigurationError: a name is empty or too long, or the database is none, or is relative.
    """
    for flag, name in _FLAGS.items():
        value = getattr(options, name)
        if value is None or name == "database":
            continue
        if not 0 < len(value.strip()) <= len(value) <= MAX_NAME_CHARS:
            raise ConfigurationError(
                f"{flag} is empty or longer than {MAX_NAME_CHARS} characters: give a name, or "
                "leave it out for the default"
            )
    if options.database is None:
        return options
    return replace(options, database=_whole_url(options.database, machine, "--database"))


def where_it_lies(
    options: ServerOptions, machine: Machine, folder: PurePath
) -> tuple[Place, ServerOptions]:
    """The memory that a client's server will use, and the options that make it so.

    A client starts its servers without the variables of this shell, and where it likes. What they
    decide here is written into the entry, unless it holds a password.

    Args:
        options: as given, checked.
        machine: whose environment.
        folder: whose memori.toml counts: the project's, or the root.

    Raises:
        ConfigurationError: the settings name a database that a client cannot use.
    """
    here = _place(options, machine.environ, Path(folder))
    bare = _place(options, {}, Path("/"))
    database = _whole_url(here.database, machine, "the database of the settings")
    moved = machine.platform == "linux" and any(map(machine.environ.get, _MOVING))
    if options.database is None and (here.database != bare.database or moved):
        if mask_password(database) == database:
            options = replace(options, database=database)
        else:
            here = replace(here, database=bare.database)
    if here.user_id != bare.user_id:
        options = replace(options, user=here.user_id)
    if here.namespace != bare.namespace:
        options = replace(options, namespace=here.namespace)
    return here, options


def _place(options: ServerOptions, environ: Mapping[str, str], folder: Path) -> Place:
    given = {
        "database": options.database,
        "namespace": options.namespace,
        "user_id": options.user,
    }
    try:
        return find_place(given, environ, folder)
    except ValueError as error:
        raise ConfigurationError(f"a settings file cannot be read: {error}") from None


def unseen_password(options: ServerOptions, machine: Machine) -> bool:
    """Whether this shell names a database by a password, which is not written down unasked."""
    named = machine.environ.get("MEMORI_DATABASE__CONNECTION_STRING")
    return options.database is None and named is not None and mask_password(named) != named


def personal_namespace(machine: Machine) -> str:
    """The namespace of the person's own memory, as the settings have it."""
    return _place(ServerOptions(), machine.environ, Path("/")).namespace


def describe(place: Place) -> str:
    """Where the memory lies, in words."""
    url = parse_url(place.database)
    if url.path is not None:
        return f"{url.path}, on this machine and readable by you alone"
    return url.safe


def _whole_url(text: str, machine: Machine, what: str) -> str:
    url = parse_url(text)
    if url.dialect != "sqlite":
        return text
    if url.path is None:
        raise ConfigurationError(
            f"{what} {text!r} is a memory that ends with the server: name a file, "
            "sqlite:////full/path.db"
        )
    path = machine.path(str(url.path))
    if not path.is_absolute():
        whole = machine.path(machine.cwd) / path
        raise ConfigurationError(
            f"{what} {text!r} is relative, and a client starts the server in a folder of its own "
            f"choice: write {_file_url(str(whole), machine)}"
        )
    if "~" not in text:
        return text
    return _file_url(str(path), machine)


def _file_url(path: str, machine: Machine) -> str:
    """The URL of a file; only what would be taken for something else is escaped."""
    text = machine.path(os.path.normpath(path) if machine.platform != "windows" else path)
    kept = "".join(c if c not in "%?" else quote(c) for c in text.as_posix())
    return f"sqlite:///{kept}"
