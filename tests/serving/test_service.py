"""`mai serve` over a real connection: calls, refusals, limits, and who goes away."""

from __future__ import annotations

import gzip
import io
import socket
from base64 import b64encode
from typing import Any

import jsonschema
import numpy as np
import pytest
from onnx import helper

from mai.runtime import Model, ModelError, load
from mai.runtime.model.manifest import Facts
from mai.runtime.serving.openapi import request_schema
from mai.runtime.serving.options import Options
from mai.runtime.serving.reading import check_limits
from tests.support.cases.small_files import FOREVER, Write, build, manifest, output, real
from tests.support.serving import PATIENCE, Client, running

SAMPLE = "/run/spec.sample"


def test_a_call_is_that_of_the_file(service: Client, flow: dict[str, Model]) -> None:
    reply = service.post(SAMPLE, {"seed": [3, 3, 8], "example": [0, 1, 0], "steps": 7})
    expected = flow["spec.sample"](seed=[3, 3, 8], example=[0, 1, 0], steps=7)
    assert reply.status == 200
    assert reply.json == {"outputs": {"sample": expected.tolist()}, "shapes": {"sample": [3, 2]}}
    plain = service.post("/run/spec.plain", {"seed": 3, "batch": 5}).json["outputs"]["plain"]
    np.testing.assert_array_equal(np.float32(plain), flow["spec.plain"](seed=3, batch=5))


def test_texts_go_in_and_out(service: Client, text: dict[str, Model]) -> None:
    asked = {"prompt": "The ", "seed": 4, "example": 0}
    assert service.post("/run/spec.generate", asked).json["outputs"] == {"generate": text["spec.generate"](**asked)}


def test_arrays_of_numpy(service: Client, flow: dict[str, Model], text: dict[str, Model]) -> None:
    file = io.BytesIO()
    np.savez_compressed(file, seed=np.array([1, 2]), example=np.array([0, 5]), steps=np.array(3))
    reply = service.post(f"{SAMPLE}?format=npz", file.getvalue(), Content_Type="application/x-npz")
    with np.load(io.BytesIO(reply.raw)) as arrays:
        np.testing.assert_array_equal(arrays["sample"], flow["spec.sample"](seed=[1, 2], example=[0, 5], steps=3))
    file = io.BytesIO()
    np.save(file, np.array([[70, 71, 72]]))
    kind = "application/x-npy"
    reply = service.post("/run/spec.features", file.getvalue(), Content_Type=kind, Accept=kind)
    np.testing.assert_array_equal(np.load(io.BytesIO(reply.raw)), text["spec.features"](x=[[70, 71, 72]]))


REFUSED: list[tuple[str, Any, int, str, str]] = [
    (SAMPLE, {"seed": 1}, 400, "input-missing", "the input `example` is missing"),
    (SAMPLE, {"seed": 1, "example": 0, "stepz": 3}, 400, "input-unknown", "did you mean `steps`?"),
    (SAMPLE, {"seed": "one", "example": 0}, 400, "input-dtype", "`seed` is int64, this is a text"),
    (SAMPLE, {"seed": 1, "example": 0, "steps": 0}, 400, "input-range", "`steps` is at least 1"),
    (SAMPLE, {"seed": 1, "example": 0, "steps": 51}, 400, "input-range", "`steps` is at most 50 here, this asks for 51"),
    (SAMPLE, {"seed": [1] * 101, "example": 0}, 400, "input-range", "`batch` is at most 100 here"),
    (SAMPLE, b'{"seed": 1, "example": 0, "\\ud800": 1}', 400, "input-unknown", "there is no input or setting `\ud800`"),
    ("/run/spec.generate", {"prompt": ["a", [1]], "seed": 1, "example": 0}, 400, "input-shape", "`prompt` mixes texts and numbers"),
    ("/run/spec.features", {"x": [["a", "b"], ["c"]]}, 400, "input-shape", 'a text, or a list of texts alone: ["one", "another"]'),
    ("/run/spec.plain", {"batch": 101}, 400, "input-range", "`batch` is at most 100 here, this asks for 101"),
    (SAMPLE, b"{", 400, "body-unreadable", "the body is no JSON"),
    (SAMPLE, b"[1]", 400, "body-unreadable", "no JSON object"),
    (SAMPLE, b'{"seed": 1, "seed": 2}', 400, "body-unreadable", "`seed` is said 2 times"),
    (SAMPLE, b"[" * 100_000, 400, "body-unreadable", "the body is no JSON"),
    (SAMPLE, b" " * 100_001, 413, "body-too-large", "at most 100,000 bytes"),
    (f"{SAMPLE}?format=gif", {"seed": 1, "example": 0}, 400, "out-unknown", "there is no format 'gif'"),
    (f"{SAMPLE}?timout=2", {"seed": 1, "example": 0}, 400, "input-unknown", "did you mean `timeout`?"),
    (f"{SAMPLE}?steps=2", {"seed": 1, "example": 0}, 400, "input-unknown", "settings are in the body"),
    (SAMPLE, {"seed": 1, "example": 2**32}, 400, "input-range", "`example` is from 0 to 4294967295, this holds 4294967296"),
    (f"{SAMPLE}?format=png", {"seed": 1, "example": 0}, 400, "out-unknown", "`sample` is [2], which is no image"),
    (f"{SAMPLE}?format=png", {"seed": [1, 2], "example": 0}, 400, "out-unknown", "which is no image (format=json, npy or npz"),
    (f"{SAMPLE}?timeout=-1", {"seed": 1, "example": 0}, 400, "input-range", "a number of seconds above 0"),
    ("/run/nothing", {}, 404, "route-unknown", "there is no file `nothing` here"),
    ("/nowhere", {}, 404, "route-unknown", "GET /openapi.json lists the routes"),
    ("/metrics", {}, 405, "route-unknown", "Method Not Allowed"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "status", "slug", "words"), REFUSED)
def test_what_is_refused_is_told_in_words(
    service: Client, path: str, body: Any, status: int, slug: str, words: str
) -> None:
    reply = service.post(path, body)
    assert (reply.status, reply.error["code"]) == (status, slug)
    assert words in reply.error["message"]


def test_bodies_of_no_known_kind_or_size(service: Client) -> None:
    assert service.post(SAMPLE, b"<x/>", Content_Type="text/xml").error["code"] == "body-unreadable"
    assert "compressed: gzip" in service.post(SAMPLE, gzip.compress(b"{}"), Content_Encoding="gzip").error["message"]
    assert service.post(SAMPLE, b"PK", Content_Type="application/x-npz").error["code"] == "body-unreadable"
    file = io.BytesIO()
    np.savez_compressed(file, seed=np.zeros(1_000_000))  # Small, and large when it is unpacked.
    assert service.post(SAMPLE, file.getvalue(), Content_Type="application/x-npz").status == 413
    reply = service.ask("POST", SAMPLE, iter([b" " * 60_000] * 2), {"Transfer-Encoding": "chunked"})
    assert (reply.status, reply.error["code"]) == (413, "body-too-large")


def test_steps_have_a_limit_where_nobody_says_one(flow: dict[str, Model]) -> None:
    """Tables of all of them would be made before the first: gigabytes, which no time limit ends."""
    for options, most in (({}, "100000"), ({"limits": {"steps": 200_000}}, "200000")):
        with running(flow, **options) as client:
            reply = client.post("/run/spec.plain", {"batch": 1, "steps": 10**9})
            assert (reply.status, reply.error["code"]) == (400, "input-range")
            assert f"`steps` is at most {most} here" in reply.error["message"]


def test_a_default_is_within_its_limit(flow: dict[str, Model]) -> None:
    plain = flow["spec.plain"].manifest
    settings = [p.model_copy(update={"default": 300_000} if p.name == "steps" else {}) for p in plain.settings]
    longer = plain.model_copy(update={"settings": settings})
    check_limits(Options(), longer, {"steps": np.array(300_000)})
    with pytest.raises(ModelError, match="`steps` is at most 300000 here"):
        check_limits(Options(), longer, {"steps": np.array(300_001)})


def test_a_count_from_0_has_a_limit_and_a_seed_has_none(flow: dict[str, Model]) -> None:
    plain = flow["spec.plain"].manifest
    settings = [p.model_copy(update={"minimum": 0} if p.name == "steps" else {}) for p in plain.settings]
    turns = plain.model_copy(update={"settings": settings})
    check_limits(Options(), turns, {"steps": np.array(0), "seed": np.array(2**40)})
    with pytest.raises(ModelError, match="`steps` is at most 100000 here"):
        check_limits(Options(), turns, {"steps": np.array(100_001)})


def test_a_limit_is_said_with_all_its_digits(flow: dict[str, Model]) -> None:
    with running(flow, limits={"steps": 10**6}) as client:
        reply = client.post("/run/spec.plain", {"batch": 1, "steps": 10**6 + 1})
        assert reply.error["message"] == "`steps` is at most 1000000 here, this asks for 1000001"


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain;charset=UTF-8"])
def test_what_curl_and_fetch_send_is_json(service: Client, kind: str) -> None:
    """As they call it where their user says nothing of it."""
    assert service.post(SAMPLE, {"seed": 1, "example": 0}, Content_Type=kind).status == 200


def test_numbers_that_are_none(write: Write) -> None:
    described = manifest([real("x", 2, gaps=True)], [], [output("f", 2)])
    model = load(write(build(described, [helper.make_node("Log", ["x"], ["f"])])), providers="cpu")
    with running({"small": model}) as client:
        assert client.post("/run/small", {"x": [None, 0]}).json["outputs"] == {"f": [["NaN", "-Infinity"]]}
        assert client.post("/run/small", {"x": ["NaN", "Infinity"]}).json["outputs"] == {"f": [["NaN", "Infinity"]]}
        assert client.post("/run/small", b'{"x": ' + b"[" * 2000 + b"]" * 2000 + b"}").status == 400


def test_real_numbers_and_results_of_any_name_are_arrays(write: Write) -> None:
    described = manifest([real("x", 2)], [], [output("file", 2)])
    model = load(write(build(described, [helper.make_node("Neg", ["x"], ["file"])])), providers="cpu")
    asked = io.BytesIO()
    np.savez(asked, x=np.array([[1, 2.5], [0.1, 4e9]], np.float32))
    with running({"small": model}) as client:
        raw = client.post("/run/small?format=npz", asked.getvalue(), Content_Type="application/x-npz").raw
    with np.load(io.BytesIO(raw)) as arrays:
        np.testing.assert_array_equal(arrays["file"], np.float32([[-1, -2.5], [-0.1, -4e9]]))


def test_a_small_body_that_comes_to_much_is_refused(text: dict[str, Model], monkeypatch: pytest.MonkeyPatch) -> None:
    """One prompt stands for each of many seeds, and short rows are filled up to the longest."""
    monkeypatch.setattr("mai.runtime.serving.reading.MOST_NUMBERS", 1000)
    with running(text) as client:
        asked = {"prompt": "a" * 60, "seed": 1, "example": 0}
        assert client.post("/run/spec.generate", asked).status == 200
        completion = {"model": "spec.generate", "prompt": "a" * 60, "n": 20}
        for path, body in (
            ("/run/spec.generate", {**asked, "seed": list(range(20))}),
            ("/run/spec.generate", {**asked, "prompt": [[1] * 900, [1]]}),
            ("/v1/completions", completion),
        ):
            reply = client.post(path, body)
            assert (reply.status, reply.error["code"]) == (413, "body-too-large")


def test_what_mai_does_wrong_is_not_shown(scaled: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in the log; the answer says that much, and is counted."""

    def wrong(*_: object) -> None:
        raise KeyError("/a/path/of/the/machine")

    with running({"small": scaled}) as client:
        for number, name in enumerate(("compute", "finish"), 1):
            monkeypatch.setattr(scaled, name, wrong)
            reply = client.post("/run/small", {"x": [1, 2]})
            assert (reply.status, reply.error["code"]) == (500, "internal")
            assert "machine" not in reply.raw.decode()
            assert client.metric("mai_requests_total", route="/run/small", status="500") == number
            monkeypatch.undo()


def test_inputs_that_are_called_as_arguments_of_mai(write: Write) -> None:
    names = ("timeout", "special_tokens")
    described = manifest([real(name, 2) for name in names], [], [output("f", 2)])
    model = load(write(build(described, [helper.make_node("Add", [*names], ["f"])])), providers="cpu")
    with running({"small": model}) as client:
        asked = {"timeout": [1, 2], "special_tokens": [3, 4]}
        assert client.post("/run/small", asked).json["outputs"] == {"f": [[4.0, 6.0]]}


def test_names_of_labels(write: Write) -> None:
    port = real("y").model_copy(
        update={"dtype": "int64", "classes": 3, "minimum": 0, "maximum": 2, "field": "y", "gaps": True}
    )
    output_port = output("f").model_copy(update={"dtype": "int64", "classes": 3, "field": "y"})
    described = manifest([port], [], [output_port]).model_copy(update={"labels": {"y": ["cat", "dög"]}})
    model = load(write(build(described, [helper.make_node("Identity", ["y"], ["f"])])), providers="cpu")
    with running({"small": model}) as client:
        record = client.post("/run/small", {"y": ["do\u0308g", "cat"]}).json
        assert record == {"outputs": {"f": [1, 0]}, "shapes": {"f": [2]}, "labels": {"f": ["dög", "cat"]}}
        for none in (None, [None], "", "NA"):
            record = client.post("/run/small", {"y": none}).json
            assert record["labels"] == {"f": [2]} and "notes" not in record
        record = client.post("/run/small", {"y": "horse"}).json
        assert record["labels"] == {"f": [2]}
        assert "`horse`" in record["notes"][0]
    schema = jsonschema.Draft202012Validator(request_schema(described))
    assert all(schema.is_valid({"y": y}) for y in ("dog", ["dog", None, "horse", 2], None))
    assert not schema.is_valid({"y": [3]})


def test_dates(write: Write) -> None:
    """As in a call, and one that is far from those of the data is noted."""
    dates = {"x": Facts(low=[10957], high=[19844], middle=[15000], dates=["day"])}
    described = manifest([real("x").model_copy(update={"gaps": True})], [], [output("f")])
    node = helper.make_node("Identity", ["x"], ["f"])
    model = load(write(build(described.model_copy(update={"facts": dates}), [node])), providers="cpu")
    with running({"small": model}) as client:
        record = client.post("/run/small", {"x": ["2024-05-01", None, "9999-12-31", 19844]}).json
        assert record["outputs"] == {"f": [19844.0, "NaN", 2932896.0, 19844.0]}
        assert record["notes"] == ["`x`: far from the dates of the data, 2000-01-01 to 2024-05-01: `9999-12-31`"]
        days = io.BytesIO()
        np.save(days, np.array([19844, np.nan], np.float32))
        answer = client.post("/run/small", days.getvalue(), Content_Type="application/x-npy").json
        assert answer["outputs"] == {"f": [19844.0, "NaN"]}
        for wrong in ("Infinity", 45413, "2024-05-01T00:00Z"):
            assert client.post("/run/small", {"x": [wrong]}).status == 400


def test_dates_that_are_answered(write: Write) -> None:
    output_port = output("f").model_copy(update={"dates": "day"})
    model = load(
        write(build(manifest([real("y")], [], [output_port]), [helper.make_node("Identity", ["y"], ["f"])])),
        providers="cpu",
    )
    with running({"small": model}) as client:
        assert client.post("/run/small", {"y": [19723.6, 0]}).json["dates"] == {"f": ["2024-01-02", "1970-01-01"]}


def test_a_token_is_asked_for(flow: dict[str, Model]) -> None:
    asked = {"seed": 1, "example": 0}
    with running(flow, token="opensesame", origins=("https://page.example",)) as client:
        assert client.get("/health").status == client.get("/ready").status == 200
        for refused in (client.post(SAMPLE, asked), client.get("/"), client.get("/metrics", Authorization="Bearer no")):
            assert (refused.status, refused.error["code"]) == (401, "token-wrong")
            assert "Bearer" in refused.headers["www-authenticate"]
        basic = b64encode(b"me:opensesame").decode()
        for shown in ("Bearer opensesame", f"Basic {basic}"):
            assert client.post(SAMPLE, asked, Authorization=shown).status == 200
        record = client.get("/openapi.json", Authorization="Bearer opensesame").json
        assert record["security"] == [{"token": []}]
        preflight = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
        allowed = client.ask("OPTIONS", SAMPLE, None, preflight).headers
        assert allowed["access-control-allow-origin"] == "https://page.example"
        other = client.ask("OPTIONS", SAMPLE, None, {**preflight, "Origin": "https://other.example"})
        assert "access-control-allow-origin" not in other.headers


def test_the_description_fits_what_is_taken(service: Client) -> None:
    described = service.get("/openapi.json").json
    assert {"/run/spec.sample", "/run/spec.generate", "/v1/completions", "/v1/embeddings"} <= set(described["paths"])
    assert "/v1/chat/completions" not in described["paths"]
    schema = described["paths"][SAMPLE]["post"]["requestBody"]["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    for body in (
        {"seed": 1, "example": 0},
        {"seed": [1], "example": [0], "steps": 3},
        {"seed": 1},
        {"seed": 1, "example": 0, "a": 1},
    ):
        fits = jsonschema.Draft202012Validator(schema).is_valid(body)
        assert fits == (service.post(SAMPLE, body).status == 200), body


def test_a_file_says_what_it_takes(service: Client) -> None:
    record = service.get(SAMPLE).json
    assert [port["name"] for port in record["inputs"]] == ["seed", "example"]
    assert service.get("/run").json["files"]["spec.sample"]["address"] == SAMPLE
    assert b"/run/spec.sample" in service.get("/").raw


def test_the_page_holds_the_files(flow: dict[str, Model]) -> None:
    with running(flow) as client:
        page = client.get("/").raw
        assert b64encode(flow["spec.sample"].path.read_bytes())[:200] in page


def test_requests_are_counted(flow: dict[str, Model]) -> None:
    with running(flow) as client:
        for _ in range(3):
            client.post(SAMPLE, {"seed": 1, "example": 0})
        client.post(SAMPLE, {})
        client.post("/run/anything", {})
        client.ask("DELETE", "/run/anything", None, {})
        assert client.metric("mai_requests_total", route=SAMPLE, status="200") == 3
        assert client.metric("mai_requests_total", route=SAMPLE, status="400") == 1
        for status in ("404", "405"):
            assert client.metric("mai_requests_total", route="none", status=status) == 1
        assert client.metric("mai_request_seconds_count", route=SAMPLE) == 4
        assert client.metric("mai_call_requests_sum", file="spec.sample") == 3


ENDLESS = {"x": [0.0], "n": FOREVER}
SHORT = {"x": [0.0], "n": 5}


def test_a_call_that_takes_too_long_is_ended(looping: Model) -> None:
    with running({"loop": looping}, timeout=0.2) as client:
        reply = client.post("/run/loop", ENDLESS)
        assert (reply.status, reply.error["code"]) == (504, "call-timeout")
        assert client.post("/run/loop?timeout=0.05", ENDLESS).error["message"].endswith("within 0.05 seconds")
        assert client.post("/run/loop", SHORT).json["outputs"] == {"f": [[5.0]]}


def test_a_body_that_does_not_come_is_not_waited_for(looping: Model) -> None:
    with running({"loop": looping}, timeout=0.2) as client:
        opened = socket.create_connection(("127.0.0.1", client.port), timeout=PATIENCE)
        opened.sendall(b"POST /run/loop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        assert opened.recv(100).startswith(b"HTTP/1.1 504")
        opened.close()


def begin_computing(client: Client) -> socket.socket:
    """A request without an end, which keeps the file from all others once it is computed."""
    computed = client.begin("/run/loop", ENDLESS)
    client.wait_for("mai_call_requests_count", 1, file="loop")
    return computed


def begin_waiting(client: Client, body: dict[str, object]) -> socket.socket:
    """A request that waits for the file."""
    waits = client.begin("/run/loop", body)
    client.wait_for("mai_waiting_requests", 1, file="loop")
    return waits


def test_a_call_whose_client_has_gone_is_ended(looping: Model) -> None:
    """The next request is answered, which waits for the same file."""
    with running({"loop": looping}) as client:
        begin_computing(client).close()
        assert client.post("/run/loop", SHORT).status == 200
        client.wait_for("mai_requests_total", 1, route="/run/loop", status="499")


def test_a_request_that_would_wait_too_long_is_refused(looping: Model) -> None:
    with running({"loop": looping}, queue=1) as client:
        computed, waits = begin_computing(client), begin_waiting(client, SHORT)
        reply = client.post("/run/loop", SHORT)
        assert (reply.status, reply.error["code"], reply.headers["retry-after"]) == (429, "queue-full", "1")
        computed.close()
        assert waits.recv(100).startswith(b"HTTP/1.1 200")
        waits.close()


def test_who_leaves_the_line_is_not_computed(looping: Model) -> None:
    with running({"loop": looping}) as client:
        computed, waits = begin_computing(client), begin_waiting(client, ENDLESS)
        waits.close()
        client.wait_for("mai_waiting_requests", 0, file="loop")
        computed.close()
        assert client.post("/run/loop", SHORT).status == 200
        assert client.metric("mai_call_requests_count", file="loop") == 2
