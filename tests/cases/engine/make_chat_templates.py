#!/usr/bin/env python3
"""Writes chat_templates.json: what Hugging Face's apply_chat_template gives for the templates of llama.cpp's
models/templates folder (argument). Needs jinja2; the environment is set up as in transformers."""
import json
import pathlib
import sys

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

TAG = "CONTINUE_FINAL_MESSAGE_TAG "


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    return env


def render(source, chat):
    messages = json.loads(json.dumps(chat["messages"]))
    kwargs = {"enable_thinking": chat["enable_thinking"]} if "enable_thinking" in chat else {}
    go_on = chat.get("continue_final_message", False)
    if go_on:
        messages[-1]["content"] += TAG
    text = environment().from_string(source).render(
        messages=messages, tools=chat.get("tools"), documents=None, add_generation_prompt=not go_on,
        bos_token="<|endoftext|>", eos_token="<|im_end|>", **kwargs)
    if go_on:
        at = text.rindex(TAG.strip())
        text = text[:at] if text[at:at + len(TAG)] == TAG else text[:at].rstrip()
    return text


TOOLS = [{"type": "function", "function": {
    "name": "get_weather", "description": "Weather \"now\" in a place – é",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 3}},
                   "required": ["city"]}}}]
CALL = {"role": "assistant", "content": "", "tool_calls": [
    {"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Köln", "days": 2}}}]}
U = {"role": "user", "content": "Hello,\nwho are you? "}
S = {"role": "system", "content": "Be brief."}
A = {"role": "assistant", "content": "  A model.\n"}
CHATS = [
    {"messages": [U]},
    {"messages": [S, U]},
    {"messages": [S, U, A, {"role": "user", "content": "And <|im_end|> & 'quotes' {{ x }} {% y %}"}]},
    {"messages": [U, A, U, A, U]},
    {"messages": [U], "enable_thinking": False},
    {"messages": [S, U], "enable_thinking": True},
    {"messages": [U, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nYes."}, U]},
    {"messages": [U], "tools": TOOLS},
    {"messages": [S, U, CALL, {"role": "tool", "content": "18 °C"}, {"role": "tool", "content": "rain"}, U], "tools": TOOLS},
    {"messages": [U, {"role": "assistant", "content": "The best answer is"}], "continue_final_message": True},
    {"messages": [S, U, {"role": "assistant", "content": "```python\ndef f(x):\n    "}], "continue_final_message": True},
    {"messages": [U, {"role": "assistant", "content": "The best answer is"}], "continue_final_message": True,
     "enable_thinking": False},
    {"messages": [{"role": "user", "content": ""}]},
]

folder = pathlib.Path(sys.argv[1])
cases = []
for path in sorted(folder.glob("Qwen*.jinja")):
    for chat in CHATS:
        case = {"template": path.name, "chat": chat}
        try:
            case["text"] = render(path.read_text(), chat)
        except Exception as error:  # noqa: BLE001 - any refusal of the template is the expected result
            case["error"] = str(error)
        cases.append(case)
out = pathlib.Path(__file__).with_name("chat_templates.json")
out.write_text(json.dumps(cases, ensure_ascii=False, indent=0) + "\n")
print(len(cases), "cases,", sum("error" in c for c in cases), "refused")
