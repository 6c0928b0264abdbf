"""Chat templates in the styles of the field, on a tiny tokenizer, and a table of what each can do.

Written here, after the published forms: ChatML (Qwen), Llama-2, Llama-3, Gemma, Mistral, and a ChatML that
takes thoughts off earlier turns and puts an empty think block into the last one (Qwen 3).
`python tests/chat_templates.py` prints the table.
"""

from dataclasses import dataclass

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from dpoq_lab.encoding import BoundaryError, encode_response
from dpoq_lab.models import tiny_tokenizer


@dataclass(frozen=True)
class Style:
    """A template, the special tokens that it writes, its EOS and what ends a turn (not always EOS)."""

    template: str
    special: tuple[str, ...]
    eos: str
    end_of_turn: str
    bos: str | None = None


CHATML_HEAD = (
    "{% set system = messages[0].content if messages[0].role == 'system' else '' %}"
    "{% set tools = 'Tools: ' + tools | tojson if tools else '' %}"
    "{% if tools or system %}<|im_start|>system\n{{ system }}{{ tools }}<|im_end|>\n{% endif %}"
)
CALLS = (
    "{% for call in m.tool_calls or [] %}{{ '\n' if m.content or not loop.first }}"
    "<tool_call>{{ call.function | tojson }}</tool_call>{% endfor %}"
)
CHATML = (
    CHATML_HEAD
    + "{% for m in messages %}{% if m.role != 'system' %}<|im_start|>{{ m.role }}\n{{ m.content or '' }}"
    + CALLS
    + "<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
THINKING = (
    CHATML_HEAD + "{% for m in messages %}{% if m.role != 'system' %}<|im_start|>{{ m.role }}\n"
    "{% set words = (m.content or '').split('</think>')[-1].lstrip('\n') %}"
    "{% if m.role == 'assistant' and loop.last %}"
    "{{ m.content if '</think>' in (m.content or '') else '<think>\n\n</think>\n\n' + words }}"
    "{% else %}{{ words }}{% endif %}" + CALLS + "<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ALTERNATE = (
    "{% for m in ms %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/...') }}{% endif %}"
)
LLAMA_2 = (
    "{% if messages[0].role == 'system' %}{% set ms = messages[1:] %}"
    "{% set s = '<<SYS>>\n' + messages[0].content + '\n<</SYS>>\n\n' %}"
    "{% else %}{% set ms = messages %}{% set s = '' %}{% endif %}" + ALTERNATE + "{% if m.role == 'user' %}"
    "{{ '<s>[INST] ' + (s if loop.first else '') + m.content.strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + m.content.strip() + ' </s>' }}{% endif %}{% endfor %}"
)
LLAMA_3 = (
    "<|begin_of_text|>{% if tools %}<|start_header_id|>system<|end_header_id|>\n\n"
    "{% if messages[0].role == 'system' %}{{ messages[0].content | trim }}\n{% endif %}"
    "Tools: {{ tools | tojson }}<|eot_id|>{% endif %}"
    "{% for m in messages %}{% if not (tools and m.role == 'system') %}<|start_header_id|>"
    "{{ 'ipython' if m.role == 'tool' else m.role }}<|end_header_id|>\n\n"
    "{% if m.tool_calls %}{% if m.tool_calls | length > 1 %}"
    "{{ raise_exception('This model only supports single tool-calls at once!') }}{% endif %}"
    "{{ m.tool_calls[0].function | tojson }}{% else %}{{ m.content | trim }}{% endif %}<|eot_id|>"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
GEMMA = (
    "<bos>{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% set ms = messages %}"
    + ALTERNATE
    + "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
MISTRAL = (
    "<s>{% for m in messages %}{% if m.role == 'user' %}"
    "{% if tools and loop.first %}[AVAILABLE_TOOLS] {{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}"
    "[INST] {{ m.content }}[/INST]{% elif m.role == 'tool' %}"
    "[TOOL_RESULTS] {{ {'content': m.content} | tojson }}[/TOOL_RESULTS]"
    "{% elif m.role == 'assistant' %}{% if m.tool_calls %}[TOOL_CALLS] "
    "{{ m.tool_calls | map(attribute='function') | list | tojson }}</s>"
    "{% else %} {{ m.content }}</s>{% endif %}"
    "{% else %}{{ raise_exception('Only user, assistant and tool roles are supported') }}"
    "{% endif %}{% endfor %}"
)
STYLES = {
    "ChatML": Style(CHATML, ("<|im_start|>", "<|im_end|>"), "<|im_end|>", "<|im_end|>"),
    "ChatML, thoughts": Style(THINKING, ("<|im_start|>", "<|im_end|>"), "<|im_end|>", "<|im_end|>"),
    "Llama-2": Style(LLAMA_2, ("<s>", "</s>"), "</s>", "</s>", bos="<s>"),
    "Llama-3": Style(
        LLAMA_3,
        ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        "<|eot_id|>",
        "<|eot_id|>",
        bos="<|begin_of_text|>",
    ),
    "Gemma": Style(
        GEMMA, ("<bos>", "<start_of_turn>", "<end_of_turn>", "<eos>"), "<eos>", "<end_of_turn>", bos="<bos>"
    ),
    "Mistral": Style(
        MISTRAL,
        ("<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]")
        + ("[TOOL_RESULTS]", "[/TOOL_RESULTS]"),
        "</s>",
        "</s>",
        bos="<s>",
    ),
}


def styled(style: str) -> PreTrainedTokenizerFast:
    """The tiny tokenizer with the template and the special tokens of a style."""
    tokenizer, how = tiny_tokenizer(), STYLES[style]
    tokenizer.add_special_tokens(
        {"additional_special_tokens": list(how.special)}, replace_extra_special_tokens=False
    )
    tokenizer.eos_token, tokenizer.bos_token, tokenizer.pad_token = how.eos, how.bos, how.special[0]
    tokenizer.chat_template = how.template
    return tokenizer


def says(role: str, content: str, **more: object) -> dict:
    """A message."""
    return {"role": role, "content": content, **more}


def calls(name: str, content: str | None = None, **arguments: object) -> dict:
    """The assistant calls a tool."""
    call = {"type": "function", "function": {"name": name, "arguments": arguments}}
    return says("assistant", content, tool_calls=[call])


TOOLS = [{"type": "function", "function": {"name": "sky", "parameters": {}}}]
ASK, REPLY = [says("user", "What colour is the sky?")], says("assistant", "It is blue.")
KINDS = {
    "one turn": (ASK, [REPLY], None),
    "several turns": (ASK, [says("assistant", "At noon?"), says("user", "Yes."), REPLY], None),
    "system": ([says("system", "Be terse."), *ASK], [REPLY], None),
    "tools": (ASK, [calls("sky", hour=12), says("tool", "blue"), REPLY], TOOLS),
    "think block": (ASK, [says("assistant", "<think>\nAir scatters.\n</think>\n\nIt is blue.")], None),
    "think blocks in two turns": (
        ASK,
        [says("assistant", "<think>\nWhen?\n</think>\n\nAt noon?"), says("user", "Yes."), REPLY],
        None,
    ),
}


def verdict(style: str, kind: str) -> str:
    """`exact`, or the words of the refusal."""
    prompt, reply, tools = KINDS[kind]
    try:
        encode_response(styled(style), prompt, reply, 10_000, tools=tools)
    except BoundaryError as error:
        return str(error)
    return "exact"


def letters(merges, chat_template=None):
    """A tokenizer of the letters a to z, space, the given merges, and <eos>; no pre-tokenizer."""
    names = ["<eos>", *" abcdefghijklmnopqrstuvwxyz", *(a + b for a, b in merges)]
    backend = Tokenizer(models.BPE({name: i for i, name in enumerate(names)}, merges))
    made = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<eos>")
    made.chat_template = chat_template
    return made


if __name__ == "__main__":
    print("| template | kind of pair | verdict |\n|---|---|---|")
    for style in STYLES:
        for kind in KINDS:
            print(f"| {style} | {kind} | {verdict(style, kind)} |")
