import json
from collections.abc import Callable, Iterator

import pytest

from plotbot.ask.servers.discovery import ServerFacts, discover
from plotbot.ask.servers.loading import Loader, check_loadable, is_loaded
from plotbot.ask.servers.model_listing import ModelFacts
from plotbot.errors import AskError, ServerProblem
from plotbot.mock import MockServer, ModelSpec, Rule, Scenario

TOKEN = "sk-lm-abcdefgh:0123456789abcdefghij"
Serve = Callable[..., MockServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    running = []

    def start(*rules: Rule, loaded: bool = False, **fields: object) -> MockServer:
        models = (ModelSpec("a/m", loaded=loaded, context=2048, **fields),)  # type: ignore[arg-type]
        server = MockServer(Scenario(models=models, rules=rules, token=TOKEN))
        server.start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()


def load(server: MockServer, context_length: int | None, token: str | None = TOKEN) -> None:
    facts = discover(server.url, token=TOKEN)
    Loader(server.endpoint, token=token, timeout=10).load(facts.models[0], "a/m", context_length)


def loaded(server: MockServer) -> list[tuple[bool | None, int | None, tuple[str, ...]]]:
    models = discover(server.url, token=TOKEN).models
    return [(model.loaded, model.context_length, model.instance_ids) for model in models]


@pytest.mark.parametrize(("asked", "got"), [(4096, 4096), (None, 2048)])
def test_a_model_is_loaded_with_the_context_that_is_asked_for(serve: Serve, asked: int | None, got: int) -> None:
    server = serve()
    load(server, asked)
    assert loaded(server) == [(True, got, ("a/m",))]
    sent = [json.loads(request.body) for request in server.requests if request.method == "POST"]
    assert sent == [{"model": "a/m"} if asked is None else {"model": "a/m", "context_length": asked}]


def test_what_is_loaded_already_goes_lest_there_be_a_copy(serve: Serve) -> None:
    server = serve(loaded=True)
    load(server, 8192)
    assert loaded(server) == [(True, 8192, ("a/m",))]
    assert server.stats().models["a/m"].copies == 0


@pytest.mark.parametrize(
    ("rule", "category", "words"),
    [
        ({"status": 200, "body": {"error": "Unexpected endpoint or method. (POST /x)"}}, "http_error", "0.4 or newer"),
        ({"status": 404, "body": {"error": {"type": "model_not_found", "message": "no"}}}, "model_unavailable", "no"),
        ({"status": 400, "body": {"error": 'Failed to load model "x".'}}, "model_unavailable", "did not load"),
        ({"status": 200, "body": {"status": "loading"}}, "model_unavailable", "did not load"),
        ({"status": 200, "body": "what?"}, "model_unavailable", "what?"),
        ({"status": 500, "body": f"you sent {TOKEN}"}, "model_unavailable", r"you sent \*\*\*"),
        ({"shape": "reset"}, "unreachable", "The load call got no answer"),
    ],
)
def test_a_load_that_fails_has_a_category_and_the_servers_words(
    serve: Serve, rule: dict[str, object], category: str, words: str
) -> None:
    server = serve(Rule(route="/load", **rule))  # type: ignore[arg-type]
    with pytest.raises(AskError, match=words) as caught:
        load(server, 4096)
    assert caught.value.category == category
    assert TOKEN not in str(caught.value)


def test_a_token_that_is_not_given_is_asked_for(serve: Serve) -> None:
    with pytest.raises(AskError) as caught:
        load(serve(), 4096, token=None)
    assert caught.value.category == "auth"


@pytest.mark.parametrize(
    ("model", "asked", "enough"),
    [
        (ModelFacts("m", loaded=True, context_length=4096), None, True),
        (ModelFacts("m", loaded=True, context_length=4096), 4096, True),
        (ModelFacts("m", loaded=True, context_length=4096), 4097, False),
        (ModelFacts("m", loaded=True), 1, False),
        (ModelFacts("m", loaded=True), None, True),
        (ModelFacts("m", loaded=False), None, False),
        (ModelFacts("m"), None, False),
    ],
)
def test_a_model_is_loaded_enough_with_at_least_the_context(model: ModelFacts, asked: int | None, enough: bool) -> None:
    assert is_loaded(model, asked) is enough


@pytest.mark.parametrize(
    ("kind", "asked", "words"),
    [
        ("ollama", None, "is ollama, which is told when it starts"),
        ("lmstudio", 4097, "CONTEXT_LENGTH is 4097, but m has 4096"),
    ],
)
def test_a_load_that_cannot_be_is_refused_before_anything_is_asked(kind: str, asked: int | None, words: str) -> None:
    model = ModelFacts("m", max_context_length=4096)
    with pytest.raises(ServerProblem, match=words):
        check_loadable(ServerFacts("http://s", kind, None, (model,)), model, asked)


def test_a_load_that_can_be_is_not_refused() -> None:
    model = ModelFacts("m", max_context_length=4096)
    check_loadable(ServerFacts("http://s", "lmstudio", None, (model,)), model, 4096)
