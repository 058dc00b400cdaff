"""`AsyncMemori`: the facade every door goes through."""

from __future__ import annotations

from memori.access import Access
from memori.learning import Learning
from memori.looking import Looking
from memori.owning import Owning
from memori.promoting import Promoting
from memori.reading import Reading
from memori.retaining import Retaining
from memori.watching import Watching
from memori.writing import Writing


class AsyncMemori(
    Writing, Reading, Learning, Promoting, Retaining, Owning, Access, Looking, Watching
):
    """Memory in an SQL database, for asyncio programs.

    Opens its database at the first verb (or `open`), and closes it with `close` or as an async
    context manager. One object may be used by many tasks of one event loop.

    Every verb takes `user_id` and `namespace` to act in another scope than the object's; every
    write takes `operation_id`, and repeating a write under the same id answers what the first
    one answered. Besides the errors named at each verb, all of them raise `ScopeError` for an
    empty, oversized or (with `require_scope`) missing user, `ConfigurationError` when the
    database cannot be opened, `StoreBusy` when other processes hold it too long,
    `StoreUnavailable` when it fails, and `Closed` after `close`.

    Args:
        database_connect: database URL; by default what the settings say, in a library
            `sqlite:///memori.db` in the working directory.
        namespace: where this object writes; `default` unless set.
        user_id: whose memory it is; `default` unless set.
        agent_id: recorded on every write; `assistant_id` is the same.
        session_id: recorded on every write that names no other.
        conscious_ingest: `Memori.enable`: send the working context with every call; by default
            unless `auto_ingest`.
        auto_ingest: `Memori.enable`: send what is recalled for the last user message.
        openai_api_key: lets the memory agent use OpenAI; never used for the program's own calls.
        provider_config: lets the memory agent use this provider.
        read_namespaces: further namespaces of the same user to read, in order of preference.
        require_scope: make a missing user an error.
        settings: complete settings; then nothing is read from the environment or a file.
        clock: what time it is; must return an aware datetime.
        actor: which door writes, recorded with every event.

    Raises:
        ConfigurationError: the settings are wrong.
        ScopeError: a scope name is empty or too long.
    """
