"""Chat templates: what transformers makes of them, and what none may do."""

import time

import pytest

from unmask.dllm import chat_template
from unmask.dllm.chat_template import render
from unmask.dllm.tokenizer import ChatTokenizer
from unmask.errors import PromptError

MESSAGES = [
    {"role": "system", "content": "Be <brief> & \"exact\".\n"},
    {"role": "user", "content": "Caf\u00e9 for 2 \u2192 how much?"},
    {"role": "assistant", "content": "4 \u20ac"},
    {"role": "user", "content": "  And for 3?  "},
]  # fmt: skip
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "mask_token": "[M]", "pad_token": "<pad>"}
TEMPLATES = [
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] | trim }}{{ eos_token }}"
    "{% endfor %}",
    "{% for m in messages %}\n    {{ m.role }}: {{ m.content }}\n{% endfor %}\n",
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% elif m.role == 'assistant' %}{{ m.content }}{{ eos_token }}{% endif %}{% endfor %}",
    "{{ messages | tojson }}",
    "{{ messages[0] | tojson(indent=2) }}",
    "{{ {'b': 1, 'a': 'é<'} | tojson(sort_keys=True) }}",
    "{{ messages[1] | tojson(ensure_ascii=True) }}",
    "{% for m in messages %}{% if loop.index0 == 1 %}{% continue %}"
    "{% endif %}{{ m.role }},{% endfor %}",
    "{% for m in messages %}{% if m.role == 'assistant' %}{% break %}"
    "{% endif %}{{ m.role }},{% endfor %}",
    "{% for m in messages %}{% if m.role == 'assistant' %}"
    "{% generation %}{{ m.content }}{{ eos_token }}"
    "{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
    "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}"
    "{% endfor %}{{ ns.n }}",
    "{% macro turn(m) %}<{{ m.role }}>{{ m.content }}{% endmacro %}"
    "{% for m in messages %}{{ turn(m) }}"
    "{% endfor %}",
    "{{ tools is none }} {{ documents is none }} {{ unknown is defined }} {{ mask_token }}",
    "{%- if tools %}tools{%- else -%} none {%- endif %}",
    "{{ messages | map(attribute='role') | join(',') }} {{ messages | length }}",
    "{{ messages | selectattr('role', 'equalto', 'user') | list | length }}",
    "{{ messages[-1].content.strip().split(' ')[0] | upper }}",
    "{% for i in range(3) %}{{ i * 2 }}{{ ',' if not loop.last }}{% endfor %}",
    "{{ 'a' + 'b' * 3 }} {{ '%03d' % 7 }} {{ '{:>4}'.format('x') }} {{ 2 ** 5 }} "
    "{{ 'x' | center(5) }}",
    "{{ strftime_now('%Y') | length }}",
    "{% if add_generation_prompt %}<|assistant|>{% endif %}",
    "{% set x = messages[0].content if messages[0].role == 'system' else '' %}"
    "{{ x | replace('<', '[') }}",
    "   {% if true %}   \n   kept   \n   {% endif %}\nend\n",
    "{{ dict(a=1) | tojson }} {{ messages[0].get('name', 'nobody') }} "
    "{{ messages[0].items() | list }}",
    "{% raw %}{{ no }}{% endraw %}{# nothing #}{{ 'x' ~ 1 ~ none }}",
]  # fmt: skip


@pytest.mark.parametrize("is_answer_next", [True, False])
@pytest.mark.parametrize("template", TEMPLATES)
def test_it_says_what_it_says_in_transformers(template, is_answer_next) -> None:
    transformers = pytest.importorskip("transformers")
    (expected,), _ = transformers.utils.chat_template_utils.render_jinja_template(
        [MESSAGES],
        chat_template=template,
        add_generation_prompt=is_answer_next,
        **SPECIAL,
    )
    variables = {"messages": MESSAGES, "add_generation_prompt": is_answer_next, **SPECIAL}
    assert render(template, variables) == expected


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ raise_exception('no system role') }}", "no system role"),
        ("{{ 1 / 0 }}", "division"),
        ("{{ 'a' + 1 }}", "concatenate"),
        ("{% include 'other' %}", "no loader"),
        ("{% import 'other' as o %}", "no loader"),
        ("{{ messages.__class__.__mro__ }}", "unsafe|undefined"),
        ("{{ ''.__class__ }}{{ ().__class__.__base__.__subclasses__() }}", "unsafe|undefined"),
        ("{{ messages.append(1) }}", "unsafe|not safely"),
        ("{{ messages[9].content }}", "no element|undefined"),
        ("{% for m in messages %}", "end"),
        ("{{ " + "(" * 3000 + ")" * 3000 + " }}", ""),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
        ("{{ 'x' * 10 ** 10 }}", "more than"),
        ("{{ ('x' * 10 ** 9) | length }}", "more than"),
        ("{{ [0] * 10 ** 9 }}", "more than"),
        ("{{ '%1000000000d' % 1 }}", "pads"),
        ("{{ '{:>1000000000}'.format(1) }}", "pads"),
        ("{{ 'x'.center(10 ** 10) }}", "asks for"),
        ("{{ 'x' | center(10 ** 10) }}", "asks for"),
        ("{{ 10 ** 10 ** 10 }}", "power"),
        (
            "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
            "more",
        ),
        ("{% for a in range(10 ** 9) %}{% endfor %}", "asks for|too big"),
        ("{% for a in 'x' * 9999 %}{% for b in 'x' * 9999 %}{% endfor %}{% endfor %}", "seconds"),
        ("{{ lipsum(n=1000000) }}", "undefined"),
        ("{% for a in range(300) %}{{ 'x' * 9999 }}{% endfor %}", "more than"),
    ],
)
def test_what_it_may_not_do_is_one_sentence(template, reason, monkeypatch) -> None:
    monkeypatch.setattr(chat_template, "MOST_SECONDS", 2.0)
    start = time.monotonic()
    with pytest.raises(PromptError, match=f"refuses this chat: .*({reason})"):
        render(template, {"messages": MESSAGES})
    assert time.monotonic() - start < 30


@pytest.mark.parametrize("begun", ["12", "", " ", "o", "<", "t", "a b\n"])
def test_an_answer_is_gone_on_with_from_where_it_ends(begun) -> None:
    template = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    tokenizer = ChatTokenizer(None, template, {})  # type: ignore[arg-type]
    chat = [{"role": "user", "content": "to"}, {"role": "assistant", "content": begun}]
    expected = f"<|user|>to<|end|><|assistant|>{begun.rstrip()}"
    assert tokenizer.continue_final_message(chat) == expected
