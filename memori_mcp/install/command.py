"""`memori-mcp install` and `memori-mcp uninstall`: what they do, and what they say."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator

from memori.errors import ConfigurationError, ScopeError
from memori.store.url import mask_password
from memori_mcp.install.clients import CLIENTS, NAME, find_client
from memori_mcp.install.entries import installed
from memori_mcp.install.host_hooks import HOOK_HOSTS
from memori_mcp.install.installing import (
    Change,
    Plan,
    Wanted,
    new_file,
    plan_install,
    plan_uninstall,
)
from memori_mcp.install.launch import check_starts, find_launch
from memori_mcp.install.links import link
from memori_mcp.install.machine import Machine
from memori_mcp.install.options import ServerOptions, check_options, describe, unseen_password
from memori_mcp.install.project import find_project

EXIT_CONFIGURATION = 2


def run(options: argparse.Namespace) -> int:
    """Run one of both commands.

    Args:
        options: as `parser.add_install_parsers` reads them.

    Returns:
        0 when it is done, or there was nothing to do; 2 when it cannot be done, and why is said.
    """
    machine = Machine.here()
    try:
        if options.command == "install" and options.client is None:
            _say(_listing(machine))
        elif options.command == "install":
            _install(options, machine)
        else:
            _uninstall(options, machine)
    except (ConfigurationError, ScopeError) as error:
        print(f"memori-mcp: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_CONFIGURATION
    return 0


def _wanted(options: argparse.Namespace, machine: Machine) -> Wanted:
    project = None
    if options.project or options.folder is not None:
        project = find_project(options.folder or machine.cwd, machine.home)
    return Wanted(
        find_client(options.client).id,
        _server_options(options),
        project,
        options.hooks,
        options.name,
        getattr(options, "replace", False),
    )


def _server_options(options: argparse.Namespace) -> ServerOptions:
    for flag, value in (("--config", options.config), ("--read-namespace", options.read_namespace)):
        if value:
            raise ConfigurationError(
                f"{flag} is not written into entries: put the setting into your own memori.toml, "
                "which every client's server reads"
            )
    return ServerOptions(
        options.user, options.namespace, options.personal_namespace, options.database
    )


def _install(options: argparse.Namespace, machine: Machine) -> None:
    client = find_client(options.client)
    launch = find_launch(options.starts)
    if options.shown or options.link:
        args = (*launch.args, *check_options(_server_options(options), machine).args)
        made = link if options.link else new_file
        print(made(client, options.name, launch.command, args).rstrip("\n"))
        return
    wanted = _wanted(options, machine)
    plan = plan_install(wanted, launch, machine)
    check_starts(launch)
    if options.dry_run:
        _say(_differences(plan))
        return
    found = plan.changes[0].before.path.parent.is_dir()
    for change in plan.changes:
        if change.differs:
            change.write()
    _say(_installed(plan, wanted, machine, found=found))


def _uninstall(options: argparse.Namespace, machine: Machine) -> None:
    wanted = _wanted(options, machine)
    plan = plan_uninstall(wanted, machine)
    if options.dry_run:
        _say(_differences(plan))
        return
    for change in plan.changes:
        change.write()
    _say(_uninstalled(plan))


def _say(lines: Iterator[str]) -> None:
    print("\n".join(lines))


def _listing(machine: Machine) -> Iterator[str]:
    found = installed(machine, machine.cwd)
    for client in CLIENTS.values():
        yield f"{client.id:<16}{client.location(machine, None)[0]}"
        for each in found:
            if each.client == client.id:
                of = "" if each.project is None else f" (project {each.project})"
                words = mask_password(" ".join([each.command, *each.args]))
                yield f"{'':<16}{each.problem or f'{each.name}{of}: {words}'}"
    yield "\nmemori-mcp install CLIENT puts it there; --help says more."


def _differences(plan: Plan) -> Iterator[str]:
    if not plan.differs:
        yield "Nothing to change."
    for change in plan.changes:
        yield from change.diff()


def _installed(plan: Plan, wanted: Wanted, machine: Machine, *, found: bool) -> Iterator[str]:
    place = plan.place
    if place is None:
        raise AssertionError("an install is of a memory")
    scope = "all projects" if wanted.project is None else f"the project {wanted.project.root}"
    yield f"memori in {plan.client.title}, for {scope}"
    for change in plan.changes:
        yield from _file(change)
    yield f"  starts    {mask_password(shlex.join(plan.command))}"
    yield f"  memory    of user {place.user_id}, namespace {place.namespace}"
    if wanted.project is not None:
        yield "            and your own, which is read here too; what is about you is kept there"
    yield f"  lies in   {describe(place)}"
    if plan.hooks:
        yield "  records   what you and the assistant say in every session (not tools, not files)"
        yield "            and what the model remembers; .memoriignore in a folder keeps hooks out"
    else:
        yield "  records   what the model stores with its tool remember; your conversation is not"
        yield "            recorded" + (" (--hooks would)" if plan.client.id in HOOK_HOSTS else "")
    if not found and wanted.project is None:
        yield f"  note      {plan.changes[0].before.path.parent} was not there before: is"
        yield f"            {plan.client.title} on this machine?"
    if plan.other_hooks:
        yield "  note      the hooks of all projects are of your own memory: add --hooks for those"
        yield "            of this project, which take their place here"
    if mask_password(place.database) != place.database:
        yield "  note      the password of the database now lies in that file, too"
    if unseen_password(wanted.options, machine):
        yield "  note      MEMORI_DATABASE__CONNECTION_STRING of this shell holds a password and is"
        yield "            not seen by clients: give --database, or put it into memori.toml"
    if wanted.project is not None and not plan.client.keyed_by_project:
        yield "  note      the command is of this machine: keep the file out of what others get"
    yield f"  next      {plan.client.reload}"
    if plan.hooks and HOOK_HOSTS[plan.client.id].first:
        yield f"            {HOOK_HOSTS[plan.client.id].first}"
    yield f"  undo      {_undo(wanted)}"


def _file(change: Change) -> Iterator[str]:
    if not change.differs:
        yield f"  file      {change.before.path}: nothing to change"
        return
    kept = f"; as it was: {change.before.backup}" if change.before.backup.exists() else " (new)"
    yield f"  file      {change.before.path}{kept}"


def _undo(wanted: Wanted) -> str:
    words = ["memori-mcp", "uninstall", wanted.client]
    if wanted.project is not None:
        words += ["--folder", str(wanted.project.root)]
    if wanted.name != NAME:
        words += ["--name", wanted.name]
    return shlex.join(words)


def _uninstalled(plan: Plan) -> Iterator[str]:
    if not plan.changes:
        yield f"Nothing of memori is there for {plan.client.title}."
        return
    for change in plan.changes:
        if change.after.text is None:
            what = "removed: it was made by the install"
        elif change.restored:
            what = "as it was before the install"
        else:
            what = "memori is taken out, what else changed since stays"
        yield f"{change.before.path}: {what}"
    yield "The memory itself is untouched; memori path prints where it lies."
