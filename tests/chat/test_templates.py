"""Chat templates give the text that transformers gives."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mai.compiler.data.chat import read_chat
from mai.runtime.chat.template import Arguments, render, render_whole
from mai.runtime.errors import ModelError
from mai.runtime.model.manifest import Chat
from mai.spec.diagnostics import MaiError
from tests.support.models.chat_folders import CHATML

WORDS = {"bos_token": "<s>", "eos_token": "</s>"}
TOOLS = [
    {"type": "function", "function": {"name": "sum", "description": "a & b <c>", "parameters": {"type": "object"}}}
]
SAID = [
    {"role": "user", "content": "hello\n"},
    {"role": "assistant", "content": " ü 日本 </b>"},
    {"role": "user", "content": "and?"},
]
SYSTEM = {"role": "system", "content": "be brief"}
CALLED = [
    *SAID,
    {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "sum", "arguments": {"a": 1.5, "b": [None, True]}}}]},
    {"role": "tool", "content": "3", "tool_call_id": "abcdefghi"},
]  # fmt: skip
TEMPLATES = {
    "chatml": CHATML,
    "llama 3": """{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}{%- set date_string = strftime_now("%d %b %Y") %}{%- else %}{%- set date_string = "26 Jul 2024" %}{%- endif %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if 'tool_calls' in message %}
        {{- '{"name": "' + message.tool_calls[0].function.name + '", "parameters": ' }}{{- message.tool_calls[0].function.arguments | tojson }}{{- "}" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable %}{{- message.content | tojson }}{%- else %}{{- message.content }}{%- endif %}
    {%- else %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}""",
    "qwen": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}{%- for tool in tools %}{{- "\\n" }}{{- tool | tojson }}{%- endfor %}{{- "<|im_end|>\\n" }}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}{%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if loop.first and message.role == 'system' %}{%- continue %}{%- endif %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content.split('</think>')[-1].lstrip('\\n') + '<|im_end|>\\n' }}
    {%- if loop.index0 > ns.last_query_index and message.tool_calls %}{{- message.tool_calls | tojson(indent=2) }}{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}{%- endif %}""",
    "mistral": """{%- if messages[0]["role"] == "system" %}{%- set system_message = messages[0]["content"] %}{%- set loop_messages = messages[1:] %}
{%- else %}{%- set loop_messages = messages %}{%- endif %}
{{- bos_token }}
{%- for message in loop_messages if message.role in ("user", "assistant") %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}{{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}{{- "[INST] " + message["content"] + "[/INST]" }}{%- endif %}
    {%- elif message["role"] == "assistant" and message["content"] is not none %}{{- " " + message["content"]|trim + eos_token}}
    {%- else %}{{- raise_exception("Only user and assistant roles are supported!") }}{%- endif %}
{%- endfor %}""",
}  # fmt: skip


def reference(template: str, messages: list[Any], tools: list[Any] | None = None, **more: object) -> str:
    library = pytest.importorskip("transformers.utils.chat_template_utils", reason="transformers is not installed")
    rendered, _ = library.render_jinja_template(
        [messages], tools=tools, chat_template=template, add_generation_prompt=True, **WORDS, **more
    )
    text: str = rendered[0]
    return text


@pytest.mark.parametrize("tools", [None, TOOLS])
@pytest.mark.parametrize("messages", [SAID, [SYSTEM, *SAID], CALLED])
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_gives_what_transformers_gives(name: str, messages: list[Any], tools: list[Any] | None) -> None:
    chat = Chat(templates={"default": TEMPLATES[name]}, words=WORDS)
    assert render(chat, messages, tools) == reference(TEMPLATES[name], messages, tools)


def test_variables_of_a_template() -> None:
    chat = Chat(templates={"default": TEMPLATES["qwen"]}, words=WORDS)
    assert render(chat, SAID, enable_thinking=False) == reference(TEMPLATES["qwen"], SAID, enable_thinking=False)
    assert render(chat, SAID).endswith("<|im_start|>assistant\n")


@pytest.mark.parametrize(
    ("name", "messages", "tools", "words"),
    [
        ("mistral", CALLED, None, "leaves out message 5, of the role `tool`"),
        ("mistral", [{"role": "developer", "content": "be brief"}, *SAID], None, "message 1, of the role `developer`"),
        ("qwen", [SYSTEM, *SAID], TOOLS, "message 1, of the role `system`"),
        ("llama 3", SAID, TOOLS, "reads no tools"),
    ],
)
def test_what_a_template_leaves_out_is_told(name: str, messages: list[Any], tools: Any, words: str) -> None:
    chat = Chat(templates={"default": TEMPLATES[name]}, words=WORDS)
    with pytest.raises(ModelError, match=words):
        render_whole(chat, messages, tools)


@pytest.mark.parametrize("name", ["chatml", "llama 3", "mistral"])
def test_what_a_template_reads_is_the_same_text(name: str) -> None:
    chat = Chat(templates={"default": TEMPLATES[name]}, words=WORDS)
    assert render_whole(chat, [SYSTEM, *SAID]) == render(chat, [SYSTEM, *SAID])


def test_what_a_template_cuts_is_not_left_out() -> None:
    chat = Chat(templates={"default": "{% for m in messages %}{{ m.content[:12] }};{% endfor %}"})
    assert render_whole(chat, [{"role": "system", "content": "a" * 20}, *SAID[:1]]).startswith("a" * 12 + ";")


def test_without_a_word_for_the_beginning_of_an_answer() -> None:
    """A text for training ends behind the answer; a template that never begins one is none the worse."""
    chat = Chat(templates={"default": TEMPLATES["mistral"]}, words=WORDS)
    assert render(chat, SAID, add_generation_prompt=False) == render(chat, SAID)


def test_arguments_of_a_call_are_a_table_and_a_text() -> None:
    """Some templates write the table as JSON, some go through it, and some add the text."""
    template = (
        "{% set a = messages[0].tool_calls[0] %}{{ a | tojson }}; {{ a }}; {{ 'x' + a + 'y' }}; "
        "{% for k, v in a | items %}{{ k }}={{ v }}{% endfor %}"
    )
    message = {"role": "assistant", "content": "", "tool_calls": [Arguments('{"b":  1}', {"b": 1})]}
    text = render(Chat(templates={"default": template}), [message])
    assert text == '{"b": 1}; {"b":  1}; x{"b":  1}y; b=1'


def test_of_several_templates_one_is_for_tools() -> None:
    chat = Chat(templates={"default": "plain", "tool_use": "{{ tools | length }}"})
    assert [render(chat, SAID), render(chat, SAID, TOOLS)] == ["plain", "1"]


HOSTILE = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ messages.__init__.__globals__ }}",
    "{{ namespace(__init__=1) }}",
    "{% set ns = namespace() %}{% set ns._x = 1 %}",
    "{{ messages.append(1) }}",
    "{{ 'x' * 10000000000 }}",
    "{{ 3 ** 100000000 }}",
    "{{ range(10 ** 9) | list }}",
    "{{ raise_exception('roles must alternate') }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{{ undefined.x }}",
    "{% for %}",
]


@pytest.mark.parametrize("template", HOSTILE)
def test_what_a_template_must_not_do(template: str) -> None:
    with pytest.raises(ModelError) as caught:
        render(Chat(templates={"default": template}), SAID)
    assert caught.value.slug == "chat-unavailable"


@pytest.mark.parametrize("message", ["hello", {"content": "no role"}, {"role": "user", "content": object()}])
def test_what_is_no_message(message: Any) -> None:
    with pytest.raises(ModelError) as caught:
        render(Chat(templates={"default": "{{ messages }}"}), [message])
    assert caught.value.slug == "input-dtype"


def write(folder: Path, **files: object) -> None:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_json", ".json").replace("_jinja", ".jinja")
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))


def test_templates_of_a_folder(tmp_path: Path) -> None:
    """As transformers reads them: a file of its own wins, others lie in a folder; tokens are texts, or tables with their content."""
    config = {"chat_template": "old", "bos_token": {"content": "<s>"}, "eos_token": "</s>", "pad_token": None}
    write(tmp_path, tokenizer_config_json=config)
    assert read_chat(tmp_path / "tokenizer_config.json") == Chat(templates={"default": "old"}, words=WORDS)
    several = [{"name": "default", "template": "a"}, {"name": "tool_use", "template": "b"}]
    write(tmp_path, tokenizer_config_json={**config, "chat_template": several})
    assert read_chat(tmp_path / "tokenizer_config.json").templates == {"default": "a", "tool_use": "b"}
    own = {
        "image_token": "<i>",
        "extra_special_tokens": {"boi_token": "<b>"},
        "model_specific_special_tokens": {"a_token": "<a>"},
    }
    write(
        tmp_path,
        tokenizer_config_json={**config, **own, "chat_template": "{{ image_token }}{{ boi_token }}{{ a_token }}"},
    )
    assert render(read_chat(tmp_path / "tokenizer_config.json"), SAID) == "<i><b><a>"
    write(tmp_path, chat_template_jinja="{{ bos_token }}{{ pad_token }}", additional_chat_templates__rag_jinja="c")
    template = read_chat(tmp_path / "chat_template.jinja")
    assert template.templates == {"default": "{{ bos_token }}{{ pad_token }}", "rag": "c"}
    assert render(template, SAID) == "<s>"


def test_what_is_no_template(tmp_path: Path) -> None:
    write(tmp_path, a_jinja="{{ bos_token }}", b_jinja="{% if %}", tokenizer_config_json={"eos_token": "x"})
    write(tmp_path, d_jinja="a\n{% if tools %}{% include 'tools.jinja' %}{% endif %}", e_jinja="{% import 'x' as y %}")
    write(tmp_path, f_jinja="{% if tools %}{{ tools | shorten }}{% endif %}", g_jinja="{{ 1 if tools is tidy }}")
    for name, words in [
        ("d.jinja", "line 2 says `{% include %}`, and a file has no template beside its own"),
        ("e.jinja", "line 1 says `{% import %}`"),
        ("f.jinja", "line 1 uses the filter `shorten`, which there is not"),
        ("g.jinja", "line 1 uses the test `tidy`"),
        ("a.jinja", "reads `bos_token`, which tokenizer_config.json does not say"),
        ("b.jinja", "the chat template says"),
        ("tokenizer_config.json", "has no chat template"),
        ("c.jinja", "cannot be read"),
    ]:
        with pytest.raises(MaiError, match=re.escape(words)):
            read_chat(tmp_path / name)


def test_a_template_may_ask_what_there_is(tmp_path: Path) -> None:
    """And does without what there is not."""
    write(tmp_path, a_jinja='{% if "shorten" is filter %}{{ 1 | shorten }}{% else %}without{% endif %}')
    assert render(read_chat(tmp_path / "a.jinja"), SAID) == "without"
