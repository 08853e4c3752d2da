"""Conversations that exercise what chat templates look at: roles, tools, tool calls, content parts, reasoning, documents."""

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather at a place.\nSay where.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "the <city> & country"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                "days": {"type": ["integer", "null"], "description": "how many"},
                "tags": {"type": "array", "items": {"type": "string"}},
                "place": {"type": "object", "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}}, "required": ["lat"]},
            },
            "required": ["city"],
        },
        "return": {"type": "string", "description": "the weather"},
    },
}
ADD = {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {
    "type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]}}}


def call(name, arguments, id="call_12345"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


USER = {"role": "user", "content": "Hello, what's the weather in Zürich? 😀 <b>&amp;</b>"}
SYSTEM = {"role": "system", "content": "  You are terse.\n"}
ASSISTANT = {"role": "assistant", "content": "It is “fine”.\nReally."}
THINKING = {"role": "assistant", "content": "<think>\nhmm\n</think>\n\nSunny."}
REASONING = {"role": "assistant", "content": "Sunny.", "reasoning_content": "The sky is blue.", "thinking": "The sky is blue.", "reasoning": "The sky is blue."}
CALLS = {"role": "assistant", "content": "", "tool_calls": [call("get_weather", {"city": "Zürich", "days": 3, "tags": ["a", "b"], "place": {"lat": 47.4, "ok": True, "none": None}})]}
TWO_CALLS = {"role": "assistant", "content": None, "tool_calls": [
    call("get_weather", {"city": "Bern"}, "abcdef123"), call("add", {"a": 1.5, "b": -2e20}, "abcdef124")]}
TEXT_CALL = {"role": "assistant", "content": "calling", "tool_calls": [call("add", '{"a": 1, "b": 2}', "abcdefghi")]}
TOOL = {"role": "tool", "content": '{"temperature": 21.5}', "tool_call_id": "call_12345", "name": "get_weather"}
TOOL2 = {"role": "tool", "content": "3", "tool_call_id": "abcdef124", "name": "add"}
PARTS = {"role": "user", "content": [{"type": "text", "text": "Look:"}, {"type": "image"}, {"type": "text", "text": " nice?"}]}
TEXT_PARTS = {"role": "user", "content": [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]}

CONVERSATIONS = [
    [USER],
    [SYSTEM, USER],
    [USER, ASSISTANT, {"role": "user", "content": "Thanks!"}],
    [SYSTEM, USER, ASSISTANT, {"role": "user", "content": "  Why?  "}, {"role": "assistant", "content": "Because."}],
    [USER, THINKING, {"role": "user", "content": "And now?"}],
    [USER, REASONING, {"role": "user", "content": "And now? /no_think"}, REASONING],
    [SYSTEM, USER, CALLS, TOOL, ASSISTANT],
    [USER, TWO_CALLS, dict(TOOL, tool_call_id="abcdef123"), TOOL2],
    [USER, TEXT_CALL, dict(TOOL2, tool_call_id="abcdefghi"), {"role": "user", "content": "ok"}],
    [TEXT_PARTS],
    [SYSTEM, PARTS, ASSISTANT],
    [{"role": "developer", "content": "Be kind."}, USER],
    [{"role": "system", "content": ""}, {"role": "user", "content": ""}],
    [ASSISTANT, USER],
    [USER, USER],
    [],
]

# What is given besides messages.
SETTINGS = [
    {},
    {"add_generation_prompt": True},
    {"add_generation_prompt": True, "tools": [WEATHER, ADD]},
    {"tools": [ADD], "variables": {"enable_thinking": False, "thinking": True, "reasoning_effort": "high", "builtin_tools": ["browser", "python"]}},
    {"add_generation_prompt": True, "documents": [{"title": "Alps", "text": "High."}, {"title": "Sea", "text": "Low & wide."}],
     "variables": {"enable_thinking": True, "date_string": "26 Jul 2024", "custom_tools": None, "tools_in_user_message": False, "keep_past_thinking": True}},
]
