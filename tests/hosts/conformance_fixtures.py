"""What the conformance suite asks of a server besides being one: its own tools, resources, prompts.

The suite's descriptions of its scenarios name them and what they answer. They are added to a
server that the product's factory made, and served by the product's web application:

    python tests/hosts/conformance_fixtures.py --database sqlite:////tmp/c.db [--sessions]
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import anyio
import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.prompts.base import Prompt, UserMessage
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    SetLevelRequestParams,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel, Field

from memori.config import load_settings
from memori_mcp.background import run_beside
from memori_mcp.door import Door
from memori_mcp.server import create_server
from memori_mcp.transports import listen, make_app
from memori_mcp.updates import Updates

#: One pixel, and two samples of silence.
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhf"
    "DwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
WAV = base64.b64encode(
    b"RIFF" + (38).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    + (1).to_bytes(2, "little") + (1).to_bytes(2, "little") + (8000).to_bytes(4, "little")
    + (8000).to_bytes(4, "little") + (1).to_bytes(2, "little") + (8).to_bytes(2, "little")
    + b"data" + (2).to_bytes(4, "little") + b"\x80\x80"
).decode()  # fmt: skip
#: Seconds between the notifications of one call.
BETWEEN = 0.05
Asks = InputRequiredResult


def add_fixtures(server: MCPServer[Any]) -> None:
    """Add everything to a server."""
    _add_contents(server)
    _add_notifying(server)
    _add_asking(server)
    _add_input_required(server)
    _add_lists_that_change(server)
    _add_resources(server)
    _add_prompts(server)
    _add_logging(server)


def _text(text: str) -> TextContent:
    return TextContent(type="text", text=text)


def _image() -> ImageContent:
    return ImageContent(type="image", data=PNG, mime_type="image/png")


def _embedded(uri: str, text: str, mime_type: str = "text/plain") -> EmbeddedResource:
    held = TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return EmbeddedResource(type="resource", resource=held)


def _add_contents(server: MCPServer[Any]) -> None:
    """Tools that answer with each kind of content."""

    @server.tool()
    def test_simple_text() -> list[TextContent]:
        """Answers with text."""
        return [_text("This is a simple text response for testing.")]

    @server.tool()
    def test_image_content() -> list[ImageContent]:
        """Answers with an image."""
        return [_image()]

    @server.tool()
    def test_audio_content() -> list[AudioContent]:
        """Answers with sound."""
        return [AudioContent(type="audio", data=WAV, mime_type="audio/wav")]

    @server.tool()
    def test_embedded_resource() -> list[EmbeddedResource]:
        """Answers with a resource."""
        return [_embedded("test://embedded-resource", "This is an embedded resource content.")]

    @server.tool()
    def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
        """Answers with several kinds of content."""
        held = json.dumps({"test": "data", "value": 123})
        resource = _embedded("test://mixed-content-resource", held, "application/json")
        return [_text("Multiple content types test:"), _image(), resource]

    @server.tool()
    def test_error_handling() -> str:
        """Fails."""
        raise RuntimeError("This tool intentionally returns an error for testing")

    @server.tool()
    def test_x_mcp_header(
        region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})] = "none",
    ) -> str:
        """Has an argument that clients repeat in a header."""
        return region


def _add_notifying(server: MCPServer[Any]) -> None:
    """Tools that send notifications while they run."""

    @server.tool()
    async def test_tool_with_logging(ctx: Context[Any]) -> str:
        """Sends three log messages."""
        for message in ("started", "running", "completed"):
            what = "Tool processing data" if message == "running" else f"Tool execution {message}"
            await ctx.log("info", what)  # pyright: ignore[reportDeprecated]
            await anyio.sleep(BETWEEN)
        return "done"

    @server.tool()
    async def test_logging_tool(ctx: Context[Any]) -> str:
        """Sends a log message to who asked for them."""
        await ctx.log("info", "called")  # pyright: ignore[reportDeprecated]
        return "done"

    @server.tool()
    async def test_tool_with_progress(ctx: Context[Any]) -> str:
        """Tells how far it is."""
        for done in (0, 50, 100):
            await ctx.report_progress(done, 100)
            await anyio.sleep(BETWEEN)
        return "done"


class _Person(BaseModel):
    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


class _Defaults(BaseModel):
    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: Literal["active", "inactive", "pending"] = "active"
    verified: bool = True


def _titled(**titles: str) -> list[dict[str, str]]:
    return [{"const": value, "title": title} for value, title in titles.items()]


_VALUES = {"value1": "First", "value2": "Second", "value3": "Third"}


class _Enums(BaseModel):
    untitledSingle: Literal["option1", "option2", "option3"]  # noqa: N815
    titledSingle: Annotated[str, Field(json_schema_extra={"oneOf": _titled(**_VALUES)})]  # noqa: N815
    legacyEnum: Annotated[  # noqa: N815
        str,
        Field(json_schema_extra={"enum": ["opt1", "opt2"], "enumNames": ["One", "Two"]}),
    ]
    untitledMulti: list[Literal["option1", "option2", "option3"]]  # noqa: N815
    titledMulti: Annotated[  # noqa: N815
        list[str], Field(json_schema_extra={"items": {"anyOf": _titled(**_VALUES)}})
    ]


def _add_asking(server: MCPServer[Any]) -> None:
    """Tools that ask the client while they run, as before 2026-07-28."""

    @server.tool()
    async def test_sampling(prompt: str, ctx: Context[Any]) -> str:
        """Asks the client's model."""
        answer = await ctx.session.create_message(  # pyright: ignore[reportDeprecated]
            [SamplingMessage(role="user", content=_text(prompt))],
            max_tokens=100,
            related_request_id=ctx.request_id,
        )
        return f"LLM response: {getattr(answer.content, 'text', '')}"

    async def ask(ctx: Context[Any], message: str, schema: type[BaseModel]) -> str:
        answer = await ctx.elicit(message, schema)
        given = answer.data.model_dump_json() if answer.action == "accept" else "{}"
        return f"action={answer.action}, content={given}"

    @server.tool()
    async def test_elicitation(message: str, ctx: Context[Any]) -> str:
        """Asks the user."""
        return f"User response: {await ask(ctx, message, _Person)}"

    @server.tool()
    async def test_elicitation_sep1034_defaults(ctx: Context[Any]) -> str:
        """Asks the user, with defaults."""
        return f"Elicitation completed: {await ask(ctx, 'Who are you?', _Defaults)}"

    @server.tool()
    async def test_elicitation_sep1330_enums(ctx: Context[Any]) -> str:
        """Asks the user to choose."""
        return f"Elicitation completed: {await ask(ctx, 'Which?', _Enums)}"

    @server.tool()
    async def test_missing_capability(ctx: Context[Any]) -> str:
        """Needs a client that can sample."""
        _need_sampling(ctx)
        return "the client can sample"

    @server.tool()
    async def test_streaming_elicitation(ctx: Context[Any]) -> InputRequiredResult:
        """Asks the user by its result, whatever streams beside it."""
        return InputRequiredResult(input_requests={"user_name": _form("Who?", name="string")})


def _need_sampling(ctx: Context[Any]) -> None:
    able = ctx.client_capabilities
    if able is None or able.sampling is None:
        raise MCPError(
            MISSING_REQUIRED_CLIENT_CAPABILITY,
            "this tool needs a client that can sample",
            {"requiredCapabilities": {"sampling": {}}},
        )


def _form(message: str, **properties: str) -> ElicitRequest:
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in properties.items()},
        "required": list(properties),
    }
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def _sample(prompt: str) -> CreateMessageRequest:
    said = [SamplingMessage(role="user", content=_text(prompt))]
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=said, max_tokens=100))


def _given(answers: Mapping[str, Any], key: str, name: str) -> Any:
    """What the user filled in."""
    answer = answers.get(key)
    return (answer.content or {}).get(name) if isinstance(answer, ElicitResult) else None


def _add_input_required(server: MCPServer[Any]) -> None:
    """Tools whose result asks for more, as since 2026-07-28."""

    @server.tool()
    async def test_input_required_result_elicitation(ctx: Context[Any]) -> str | Asks:
        """Asks for a name."""
        name = _given(ctx.input_responses or {}, "user_name", "name")
        if name is None:
            return Asks(input_requests={"user_name": _form("What is your name?", name="string")})
        return f"Hello, {name}!"

    @server.tool()
    async def test_input_required_result_sampling(ctx: Context[Any]) -> str | Asks:
        """Asks the client's model."""
        answer = (ctx.input_responses or {}).get("capital_question")
        if not isinstance(answer, CreateMessageResult):
            question = _sample("What is the capital of France?")
            return Asks(input_requests={"capital_question": question})
        return f"It said: {getattr(answer.content, 'text', '')}"

    @server.tool()
    async def test_input_required_result_list_roots(ctx: Context[Any]) -> str | Asks:
        """Asks for the client's roots."""
        answer = (ctx.input_responses or {}).get("client_roots")
        if not isinstance(answer, ListRootsResult):
            return Asks(input_requests={"client_roots": ListRootsRequest()})
        return f"Roots: {', '.join(str(root.uri) for root in answer.roots)}"

    @server.tool()
    async def test_input_required_result_request_state(ctx: Context[Any]) -> str | Asks:
        """Hands a state out and wants it back."""
        if ctx.request_state == "asked" and "confirm" in (ctx.input_responses or {}):
            return "state-ok"
        question = _form("Please confirm", ok="boolean")
        return Asks(input_requests={"confirm": question}, request_state="asked")

    @server.tool()
    async def test_input_required_result_tampered_state(ctx: Context[Any]) -> str | Asks:
        """Hands a state out that nobody may change."""
        if ctx.request_state is not None:
            return "state-ok"
        question = _form("Please confirm", ok="boolean")
        return Asks(input_requests={"confirm": question}, request_state="asked")

    @server.tool()
    async def test_input_required_result_multiple_inputs(ctx: Context[Any]) -> str | Asks:
        """Asks for three things at once."""
        wanted = {
            "user_name": _form("What is your name?", name="string"),
            "greeting": _sample("Generate a greeting"),
            "client_roots": ListRootsRequest(),
        }
        if wanted.keys() <= (ctx.input_responses or {}).keys():
            return "all there"
        return Asks(input_requests=wanted, request_state="three")

    @server.tool()
    async def test_input_required_result_multi_round(ctx: Context[Any]) -> str | Asks:
        """Asks twice."""
        answers = ctx.input_responses or {}
        name = ctx.request_state
        if name is not None and (color := _given(answers, "step2", "color")):
            return f"{name} likes {color}"
        if given := _given(answers, "step1", "name"):
            question = _form("Step 2: What is your favorite color?", color="string")
            return Asks(input_requests={"step2": question}, request_state=given)
        question = _form("Step 1: What is your name?", name="string")
        return Asks(input_requests={"step1": question}, request_state="")

    @server.tool()
    async def test_input_required_result_capabilities(ctx: Context[Any]) -> Asks:
        """Asks for what the client can."""
        able = ctx.client_capabilities
        wanted = {"sampling": _sample("Say hello"), "elicitation": _form("Who?", name="string")}
        can = {key: value for key, value in wanted.items() if getattr(able, key, None) is not None}
        return Asks(input_requests=can, request_state="asked")


def _add_lists_that_change(server: MCPServer[Any]) -> None:
    def passing() -> str:
        """Comes and goes."""
        return ""

    @server.tool()
    async def test_trigger_tool_change(ctx: Context[Any]) -> str:
        """Changes the list of tools."""
        server.add_tool(passing, name="test_passing_tool")
        server.remove_tool("test_passing_tool")
        await ctx.notify_tools_changed()
        return "changed"

    @server.tool()
    async def test_trigger_prompt_change(ctx: Context[Any]) -> str:
        """Changes the list of prompts."""
        server.add_prompt(Prompt.from_function(passing, name="test_passing_prompt"))
        server.remove_prompt("test_passing_prompt")
        await ctx.notify_prompts_changed()
        return "changed"


def _add_resources(server: MCPServer[Any]) -> None:
    @server.resource("test://static-text", mime_type="text/plain")
    def static_text() -> str:
        """Text."""
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", mime_type="image/png")
    def static_binary() -> bytes:
        """An image."""
        return base64.b64decode(PNG)

    @server.resource("test://template/{id}/data", mime_type="application/json")
    def template(id: str) -> str:
        """Made of its address."""
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})

    @server.resource("test://watched-resource", mime_type="text/plain")
    def watched() -> str:
        """What clients subscribe to."""
        return "as before"


def _add_prompts(server: MCPServer[Any]) -> None:
    @server.prompt()
    def test_simple_prompt() -> str:
        """Text."""
        return "This is a simple prompt for testing."

    @server.prompt()
    def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        """Text made of arguments."""
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt()
    def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803
        """A resource and text."""
        held = _embedded(resourceUri, "Embedded resource content for testing.")
        return [UserMessage(held), UserMessage("Please process the embedded resource above.")]

    @server.prompt()
    def test_prompt_with_image() -> list[UserMessage]:
        """An image and text."""
        return [UserMessage(_image()), UserMessage("Please analyze the image above.")]

    @server.prompt()
    async def test_input_required_result_prompt(ctx: Context[Any]) -> str | Asks:
        """Asks first."""
        context = _given(ctx.input_responses or {}, "user_context", "context")
        if context is None:
            question = _form("What context should the prompt use?", context="string")
            return Asks(input_requests={"user_context": question})
        return f"Use this context: {context}"


def _add_logging(server: MCPServer[Any]) -> None:
    """Clients before 2026-07-28 say which log messages they want."""

    async def set_level(ctx: Any, params: SetLevelRequestParams) -> EmptyResult:
        return EmptyResult()

    server._lowlevel_server.add_request_handler(  # pyright: ignore[reportPrivateUsage]
        "logging/setLevel", SetLevelRequestParams, set_level
    )


async def _serve(database: str, sessions: bool) -> None:
    settings = load_settings(
        {"database.connection_string": database, "memory.user_id": "ana"}, environ={}
    )
    door, updates = Door(settings), Updates()
    server = create_server(
        settings, door=door, updates=updates, background=False, http=True, sessions=sessions
    )
    add_fixtures(server)
    app = server.streamable_http_app() if sessions else make_app(server, door, "http")
    taken = listen("127.0.0.1", 0)
    web = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    async with door.serving(), run_beside(door, updates):
        port = taken.getsockname()[1]
        print(f"memori-mcp: http://127.0.0.1:{port}/mcp", file=sys.stderr, flush=True)
        await web.serve(sockets=[taken])


def main() -> None:
    """Serve until a signal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True)
    parser.add_argument(
        "--sessions",
        action="store_true",
        help="the SDK's own web application, which keeps sessions: what asks a client of before "
        "2026-07-28 while it runs needs them, and the product has none",
    )
    options = parser.parse_args()
    anyio.run(_serve, options.database, options.sessions)


if __name__ == "__main__":
    main()
