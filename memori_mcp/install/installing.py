"""What `install` and `uninstall` would change, worked out before anything is written."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any, cast

from memori.errors import ConfigurationError
from memori.hooks.place import Place
from memori.store.url import mask_password
from memori_mcp.install.clients import NAME, Client, find_client
from memori_mcp.install.config_file import ConfigFile
from memori_mcp.install.entries import in_file, is_memori
from memori_mcp.install.host_hooks import (
    HOOK_HOSTS,
    find_handlers,
    find_hook_host,
    handler,
    put_hooks,
    remove_hooks,
)
from memori_mcp.install.launch import Launch
from memori_mcp.install.machine import Machine
from memori_mcp.install.options import (
    ServerOptions,
    check_options,
    personal_namespace,
    read_args,
    where_it_lies,
)
from memori_mcp.install.project import Project


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks for.

    Attributes:
        client: id of the client.
        options: of the server.
        project: for which project; None for all.
        hooks: whether the host's hooks, too.
        name: of the entry.
        replace: whether an entry that is something else gives way.
    """

    client: str
    options: ServerOptions = field(default_factory=ServerOptions)
    project: Project | None = None
    hooks: bool = False
    name: str = NAME
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One file, before and after.

    Attributes:
        before: as it is.
        after: as it will be; without text, it goes away.
        keep: whether a copy is made first.
        restored: whether this is what it was before the first change, to the byte.
    """

    before: ConfigFile
    after: ConfigFile
    keep: bool = False
    restored: bool = False

    @property
    def differs(self) -> bool:
        """Whether there is anything to write."""
        return self.before.bytes != self.after.bytes

    def diff(self) -> Iterator[str]:
        """The lines of a unified diff, passwords masked."""
        name = str(self.before.path)
        before, after = self.before.text or "", self.after.text or ""
        for line in difflib.unified_diff(
            before.splitlines(),
            after.splitlines(),
            "/dev/null" if self.before.text is None else name,
            "/dev/null" if self.after.text is None else name,
            lineterm="",
        ):
            yield mask_password(line)

    def write(self) -> None:
        """Write it.

        Raises:
            ConfigurationError: the file may not be written.
        """
        self.after.write(self.before, keep=self.keep)
        if self.restored:
            self.before.backup.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that one command will do.

    Attributes:
        client: for whom.
        changes: of files, also those that turn out to be none.
        command: what the client will start; empty for an uninstall.
        place: whose memory that is, and where it lies.
        hooks: whether hooks will be there.
        other_hooks: whether hooks of all projects run beside a project that has none of its own.
    """

    client: Client
    changes: tuple[Change, ...]
    command: tuple[str, ...] = ()
    place: Place | None = None
    hooks: bool = False
    other_hooks: bool = False

    @property
    def differs(self) -> bool:
        """Whether there is anything to write."""
        return any(change.differs for change in self.changes)


def plan_install(wanted: Wanted, launch: Launch, machine: Machine) -> Plan:
    """What an install would change.

    Args:
        wanted: what was asked for.
        launch: what the client is to start.
        machine: where.

    Raises:
        ConfigurationError: it cannot be done, and why.
    """
    client = find_client(wanted.client)
    root = None if wanted.project is None else machine.path(str(wanted.project.root))
    path, keys = client.location(machine, _folder(client, wanted.project, machine))
    file = ConfigFile.read(path, client.syntax)
    entry_at = (*keys, wanted.name)
    existing = file.get(entry_at)
    options = _options(wanted, client, existing, machine)
    place, options = where_it_lies(options, machine, root or machine.path("/"))
    args = (*launch.args, *options.args)
    after = _put_entry(file, entry_at, client.entry(launch.command, args), wanted.replace)
    taken = existing is not None and not is_memori(*client.read(existing)[:2])
    has_hooks, other_hooks = wanted.hooks, False
    others: list[Change] = []
    if wanted.client in HOOK_HOSTS:
        host = find_hook_host(wanted.client)
        settings = ConfigFile.read(host.location(machine, root), "json")
        shared = settings.path == path
        start = after if shared else settings
        had = find_handlers(start, host)
        # Hooks that are there follow the entry: they would be of another memory otherwise.
        if has_hooks or had:
            has_hooks = True
            handlers = {
                event: handler(launch, event, options.args, machine)
                for event in (host.events if wanted.hooks else had)
            }
            done = put_hooks(start, host, handlers)
            if shared:
                after = done
            else:
                others.append(Change(settings, done, keep=not had or not _has_backup(settings)))
        elif root is not None:
            general = ConfigFile.read(host.location(machine, None), "json")
            other_hooks = find_handlers(general, host) != {}
    elif has_hooks:
        find_hook_host(wanted.client)
    keep = taken or not in_file(client, file) or not _has_backup(file)
    changes = (Change(file, after, keep=keep), *others)
    return Plan(client, changes, (launch.command, *args), place, has_hooks, other_hooks)


def plan_uninstall(wanted: Wanted, machine: Machine) -> Plan:
    """What an uninstall would change: the entry and the hooks beside it, or the hooks alone.

    Raises:
        ConfigurationError: what is there is not memori's.
    """
    client = find_client(wanted.client)
    path, keys = client.location(machine, _folder(client, wanted.project, machine))
    file = ConfigFile.read(path, client.syntax)
    entry_at = (*keys, wanted.name)
    existing = file.get(entry_at)
    if wanted.hooks:
        find_hook_host(wanted.client)
    elif existing is not None and not is_memori(*client.read(existing)[:2]):
        raise ConfigurationError(
            f"{'.'.join(entry_at)} in {path} is not memori's and was left as it is; name another "
            "with --name"
        )
    parts: list[_Part] = []
    if existing is not None and not wanted.hooks:
        parts.append(_entry_part(client, entry_at, existing))
    changes: list[Change] = []
    if wanted.client in HOOK_HOSTS:
        host = find_hook_host(wanted.client)
        root = None if wanted.project is None else machine.path(str(wanted.project.root))
        settings = ConfigFile.read(host.location(machine, root), "json")
        had = find_handlers(settings, host)
        hook_part = _Part(
            lambda start: put_hooks(start, host, had),
            lambda start, kept: remove_hooks(start, host),
        )
        if settings.path == path:
            parts += [hook_part] if had else []
        elif had:
            changes.append(_restored(settings, [hook_part]))
    if parts:
        changes.insert(0, _restored(file, parts))
    return Plan(client, tuple(changes))


def new_file(client: Client, name: str, command: str, args: tuple[str, ...]) -> str:
    """A file of a client with nothing in it but this entry."""
    empty = ConfigFile(client.location(Machine("linux", "/home"), None)[0], client.syntax, None)
    return empty.put((*client.keys, name), client.entry(command, args)).text or ""


def _folder(client: Client, project: Project | None, machine: Machine) -> PurePath | None:
    if project is None:
        return None
    return machine.path(str(project.home if client.keyed_by_project else project.root))


def _options(wanted: Wanted, client: Client, existing: object, machine: Machine) -> ServerOptions:
    """The options of the entry: those given, those of the entry that is there, the project's."""
    options = check_options(wanted.options, machine)
    command, args, _ = client.read(existing)
    if existing is not None and not wanted.replace:
        words = args[2:] if args[:2] == ("-m", "memori_mcp") else args
        there = read_args(words) if is_memori(command, args) else None
        if there is None:
            raise ConfigurationError(
                f"{client.title} has an entry {wanted.name!r} already, which memori did not write "
                f"like this: {mask_password(' '.join([command, *args])) or existing}. --replace "
                "puts this in its place (a copy of the file is kept), --name takes another name"
            )
        options = options.over(there)
    if wanted.project is None:
        return options
    if options.namespace is None:
        options = replace(options, namespace=wanted.project.namespace)
    if options.personal_namespace is None:
        options = replace(options, personal_namespace=personal_namespace(machine))
    return options


def _put_entry(
    file: ConfigFile, path: tuple[str, ...], entry: Mapping[str, Any], anew: bool
) -> ConfigFile:
    """The file with the entry; of one that is there only what differs is written."""
    existing = file.get(path)
    if not isinstance(existing, dict) or anew:
        return file if existing == entry else file.put(path, dict(entry))
    there = cast("dict[str, Any]", existing)
    if all(there.get(key) == value for key, value in entry.items()):
        return file
    if file.syntax == "toml":
        return file.put(path, {**there, **entry})
    for key, value in entry.items():
        if there.get(key) != value:
            file = file.put((*path, key), value)
    return file


def _has_backup(file: ConfigFile) -> bool:
    return file.read_backup() is not None


@dataclass(frozen=True, slots=True)
class _Part:
    """One thing of ours in a file: how it was put in, and how it is taken out."""

    put: Callable[[ConfigFile], ConfigFile]
    take: Callable[[ConfigFile, ConfigFile | None], ConfigFile]


def _entry_part(client: Client, path: tuple[str, ...], existing: Any) -> _Part:
    def take(file: ConfigFile, kept: ConfigFile | None) -> ConfigFile:
        previous = None if kept is None else kept.get(path)
        if previous is not None and not is_memori(*client.read(previous)[:2]):
            return file.put(path, previous)
        file = file.remove(path)
        for length in range(len(path) - 1, 0, -1):
            above = path[:length]
            was_there = kept is not None and kept.get(above) is not None
            if was_there or file.get(above) != {}:
                break
            file = file.remove(above)
        return file

    return _Part(lambda start: start.put(path, existing), take)


def _restored(file: ConfigFile, parts: list[_Part]) -> Change:
    """The file as it was before; to the byte where nobody else has changed it since."""
    kept = file.read_backup()
    start = kept or ConfigFile(file.path, file.syntax, None)
    try:
        again = start
        for part in parts:
            again = part.put(again)
        same = again.bytes == file.bytes
    except ConfigurationError:
        same = False
    if same:
        return Change(file, start, restored=True)
    after = file
    for part in parts:
        after = part.take(after, kept)
    return Change(file, after)
