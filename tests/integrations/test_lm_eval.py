"""Large models as lm-evaluation-harness asks them; only where it is installed."""

import json
import os
import subprocess
import sys
import warnings
from types import SimpleNamespace

import pytest

from tests.large_model_folder import write_large_model
from unmask.cost import Cost, Work
from unmask.errors import ConfigError, DataError, PromptError
from unmask.evaluation.continuation import Continuation, score
from unmask.questions.decoders import decoder
from unmask.samplers.engine import Request, Result

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the harness and what it imports
    api = pytest.importorskip("lm_eval.api.model")
    from unmask.integrations.lm_eval import UnmaskLM

PROMPTS = ["12 apples", "30 pears and 12 apples and 30 pears?", "user", "7 and 30 apples?"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    return str(write_large_model(tmp_path_factory.mktemp("model")))


@pytest.fixture
def lm(folder) -> UnmaskLM:
    return UnmaskLM(pretrained=folder, batch_size=3, num_samples=6, max_gen_toks=20)


def asked(*arguments):
    """What the harness makes of a request, as far as models look at it."""
    return SimpleNamespace(args=arguments)


def answers(lm, *requests):
    return lm.generate_until([asked(*each) for each in requests], disable_tqdm=True)


def likelihoods(lm, *requests):
    return lm.loglikelihood([asked(*each) for each in requests], disable_tqdm=True)


@pytest.mark.parametrize(
    "name", ["one-by-one", "threshold+dual", "draft-verify/confidence/shadow"]
)
def test_answers_come_in_the_order_of_the_requests(name, folder) -> None:
    lm = UnmaskLM(pretrained=folder, batch_size=3, decoder=name)
    rooms = [5, 20, 9, 20]
    found = answers(lm, *((p, {"max_gen_toks": n}) for p, n in zip(PROMPTS, rooms, strict=True)))
    passes = 0
    for prompt, room, text in zip(PROMPTS, rooms, found, strict=True):
        (alone,) = lm.model.generate(
            prompt, sampler=decoder(name, lm.model, room), max_new_tokens=room, num_samples=1
        )
        assert text == alone.text
        passes += alone.trunk_passes
    assert len(set(found)) == 4
    info = lm.get_model_info()
    assert info["decoder"] == name
    assert info["generated"]["answers"] == 4 and info["generated"]["passes"] == passes
    assert info["generated"]["query_tokens"] > passes
    assert "scored" not in info


def test_an_answer_ends_at_the_first_text_that_the_task_names(lm) -> None:
    (whole,) = answers(lm, (PROMPTS[0], {}))
    assert len(lm.model.tokenizer.encode(whole)) > 5
    early, late = whole[2:4], whole[6:9]
    (text,) = answers(lm, (PROMPTS[0], {"until": [late, early, ""]}))
    assert text == whole[: min(whole.index(early), whole.index(late))]
    assert answers(lm, (PROMPTS[0], {"until": early})) == [whole[: whole.index(early)]]


def test_an_answer_ends_at_a_special_token_that_the_task_names(lm) -> None:
    wanted = lm.model.tokenizer.encode("12 apples<|start_header_id|>and 30 pears")
    asked = lm._asked("user", {"until": ["<|start_header_id|>"], "max_gen_toks": len(wanted)})
    cost = Cost(Work(1, 1, 1), accepted=1, rejected=0)
    request = Request(given_ids=asked.given_ids, sampler=lm._decoder(asked.num_new), seed=0)
    result = Result(
        number=0, request=request, token_ids=wanted, cost=cost, seconds=0.5, busy_seconds=0.5
    )
    assert lm._text(result, asked) == "12 apples"


def test_a_long_prompt_keeps_its_end(lm) -> None:
    long = "pears " * 90 + PROMPTS[3]
    ids = lm.tok_encode(long)
    asked = lm._asked(long, {"max_gen_toks": 30})
    assert asked.given_ids.tolist() == [*ids[-(lm.max_length - 30) :], *[lm.model.vocab_size] * 30]
    ((cut, _),) = likelihoods(lm, (long, " 7"))
    target = lm.tok_encode(long + " 7")[len(ids) :]
    last = Continuation(tuple(ids[-(lm.max_length - len(target)) :]), tuple(target))
    expected = score(lm.model.network, [last], num_samples=6).log_likelihoods
    assert [cut] == pytest.approx(expected, abs=1e-5)


def test_likelihoods_are_those_of_the_tokens(lm) -> None:
    pairs = [(PROMPTS[1], " 12"), (PROMPTS[3], " 12 apples"), (PROMPTS[3], " 30"), ("", "pears")]
    encode = lm.tok_encode
    expected = [
        Continuation(
            tuple(encode(context)), tuple(encode(context + target)[len(encode(context)) :])
        )
        for context, target in pairs[:3]
    ]
    expected.append(Continuation((lm.prefix_token_id,), tuple(encode("pears"))))
    assert lm.prefix_token_id == encode("<|startoftext|>")[0] != lm.eot_token_id
    scored = score(lm.model.network, expected, num_samples=6)
    found = likelihoods(lm, *pairs)
    assert [nats for nats, _ in found] == pytest.approx(scored.log_likelihoods, abs=1e-5)
    assert [is_greedy for _, is_greedy in found] == scored.is_greedy
    assert lm.get_model_info()["scored"]["passes"] == scored.passes
    moved = likelihoods(lm, (PROMPTS[3] + " ", "12 apples"))
    assert moved[0][0] == pytest.approx(found[1][0], abs=1e-5)


def test_the_letters_of_a_question_take_one_pass(lm) -> None:
    found = likelihoods(lm, *((PROMPTS[3], letter) for letter in "ABCD"))
    assert lm.get_model_info()["scored"] == {
        "continuations": 4,
        "passes": 1,
        "query_tokens": len(lm.tok_encode(PROMPTS[3])) + 1,
    }
    assert len({nats for nats, _ in found}) == 4 and sum(is_it for _, is_it in found) <= 1


def test_a_text_is_scored_window_by_window(lm) -> None:
    short, long = PROMPTS[1], "12 apples and 30 pears, " * 12
    rolling = lm.loglikelihood_rolling([asked(long), asked(""), asked(short)], disable_tqdm=True)
    ids, begin = lm.tok_encode(long), lm.prefix_token_id
    assert lm.max_length < len(ids) < 2 * lm.max_length - 2
    first = Continuation((begin,), tuple(ids[: lm.max_length - 1]))
    second = Continuation(
        tuple(ids[-lm.max_length : lm.max_length - 1]), tuple(ids[lm.max_length - 1 :])
    )
    alone = Continuation((begin,), tuple(lm.tok_encode(short)))
    expected = score(lm.model.network, [first, second, alone], num_samples=6).log_likelihoods
    wanted = [expected[0] + expected[1], 0.0, expected[2]]
    assert rolling == pytest.approx(wanted, rel=1e-5)


def test_chats_and_beginnings_are_the_tokenizers(folder, lm) -> None:
    chat = [{"role": "user", "content": "12?"}]
    tokenizer = lm.model.tokenizer
    assert lm.apply_chat_template(chat) == tokenizer.chat(chat)
    assert lm.apply_chat_template(
        chat, add_generation_prompt=False
    ) == tokenizer.continue_final_message(chat)
    assert lm.chat_template(True) == tokenizer.template and lm.chat_template(False) is None
    begun = UnmaskLM(pretrained=folder, add_bos_token=True)
    begin = begun.prefix_token_id
    assert begun.tok_encode("12") == [begin, *lm.tok_encode("12")]
    assert begun.tok_encode("<|startoftext|>12") == begun.tok_encode("12")
    assert begun.tok_encode("12", add_special_tokens=False) == lm.tok_encode("12")


def test_what_the_harness_remembers_costs_nothing(lm, tmp_path) -> None:
    cached = api.CachingLM(lm, str(tmp_path / "cache.db"))
    for _ in range(2):
        found = (
            cached.generate_until([asked(PROMPTS[0], {"max_gen_toks": 4})]),
            cached.loglikelihood([asked(PROMPTS[0], " 12 pears")]),
            cached.loglikelihood_rolling([asked(PROMPTS[2])]),
        )
    info = cached.get_model_info()
    assert info["generated"]["answers"] == 1 and info["scored"]["continuations"] == 2
    assert all(len(each) == 1 for each in found)


def test_answers_are_remembered_as_they_come(lm) -> None:
    told = {}

    class Hook:
        def add_partial(self, kind, arguments, answer):
            told[kind, arguments[0]] = answer

    lm.set_cache_hook(Hook())
    found = answers(lm, *((prompt, {}) for prompt in PROMPTS))
    assert told == {("generate_until", p): text for p, text in zip(PROMPTS, found, strict=True)}


def test_model_arguments_have_the_last_word(folder) -> None:
    options = {"batch_size": 1, "device": "cuda:0", "max_batch_size": None}
    made = UnmaskLM.create_from_arg_obj({"pretrained": folder, "device": "cpu"}, options)
    assert (made.arguments.batch_size, made.arguments.device) == (1, "cpu")


@pytest.mark.parametrize(
    ("gen_kwargs", "message"),
    [
        ({"do_sample": True, "temperature": 0.7}, "the task asks for samples"),
        ({"temperature": 0.7}, "the task asks for samples"),
        ({"max_gen_toks": 96}, r"must lie between 1 and 95"),
        ({"max_gen_toks": 0}, r"got 0"),
    ],
)
def test_answers_that_cannot_be_given_are_refused(gen_kwargs, message, lm) -> None:
    with pytest.raises(ConfigError, match=message):
        answers(lm, ("12", gen_kwargs))


def test_what_the_model_cannot_take_is_refused(lm, folder) -> None:
    with pytest.raises(PromptError, match="a continuation has 9. tokens and .* takes 96"):
        likelihoods(lm, ("12", " 7" * 49))
    with pytest.raises(DataError, match="has no tokens"):
        likelihoods(lm, ("12", ""))
    with pytest.raises(ConfigError, match="answers no questions"):
        UnmaskLM(pretrained="text8s")
    with pytest.raises(ConfigError, match="there is no decoder 'fast'"):
        UnmaskLM(pretrained=folder, decoder="fast")


TASKS = {
    "tiny_answers": """
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["\\n"], max_gen_toks: 12}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
""",
    "tiny_choices": """
output_type: multiple_choice
doc_to_text: "{{question}}\\nAnswer:"
doc_to_choice: ["12 apples", "30 pears", "7"]
doc_to_target: 0
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
""",
    "tiny_text": """
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{question}}"
metric_list: [{metric: bits_per_byte}]
""",
}


@pytest.mark.slow
def test_the_command_line_runs_each_kind_of_task(folder, tmp_path) -> None:
    data = tmp_path / "questions.jsonl"
    data.write_text('{"question": "12 apples?", "answer": "7"}\n' * 3)
    (tmp_path / "tasks").mkdir()
    for name, task in TASKS.items():
        where = f"task: {name}\ndataset_path: json\ntest_split: train\n"
        files = f"dataset_kwargs: {{data_files: {data}}}\n"
        (tmp_path / "tasks" / f"{name}.yaml").write_text(where + files + task)
    command = [
        *(sys.executable, "-m", "unmask", "lm-eval"),
        *("--model_args", f"pretrained={folder},decoder=threshold+dual,num_samples=4"),
        *("--tasks", ",".join(TASKS), "--include_path", str(tmp_path / "tasks")),
        *("--apply_chat_template", "--batch_size", "2", "--output_path", str(tmp_path / "out")),
    ]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("out/*/results*.json")
    report = json.loads(file.read_text())
    assert set(report["results"]) == set(TASKS)
    assert report["results"]["tiny_text"]["bits_per_byte,none"] > 0
    config = report["config"]
    assert config["decoder"] == "threshold+dual"
    assert config["generated"]["answers"] == 3 and config["generated"]["passes"] >= 3
    assert config["scored"]["continuations"] == 9 + 3
