"""A trace against the run it is of, which has the same tokens and costs without a recorder."""

import json
import re
from dataclasses import FrozenInstanceError, replace
from html.parser import HTMLParser
from importlib import resources

import pytest
import torch

from tests.network.test_stream import TINY as STREAM
from tests.network.test_stream import random_stream
from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.counted_passes import CountedPasses
from tests.reference.law import WithOrder, law_by_enumeration
from tests.reference.random_network import TINY, random_network
from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.evaluation.enumeration import every_outcome
from unmask.evaluation.trace import Event, page, record
from unmask.predictors.markov import MarkovChain
from unmask.predictors.protocol import Draft
from unmask.process.windows import Cosine, Fixed, Whole
from unmask.samplers.ancestral import Ancestral
from unmask.samplers.autoregressive import Autoregressive
from unmask.samplers.lookahead import Lookahead
from unmask.samplers.lossless import Lossless
from unmask.samplers.lossless_branching import LosslessBranching
from unmask.samplers.remdm import ReMDM
from unmask.samplers.sampler import sample
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.target_only import TargetOnly
from unmask.vocabularies.characters import text8

PREDICTORS = {
    "hybrid": (ArbitraryHybrid(2, 4, seed=1), 4),
    "hybrid, all verified": (ArbitraryHybrid(2, 4, seed=2, first_target_is_draft=False), 4),
    "chain": (MarkovChain.random(vocab_size=4, order=1, seed=0), 12),
    "network": (random_network(), 8),
    "network, all verified": (random_network(replace(TINY, first_target="start-track")), 8),
}
SPECULATIVE = [
    SelfSpeculative(window=Fixed(1)),
    SelfSpeculative(window=Fixed(3), verify_rounds=1),
    SelfSpeculative(window=Whole(), verify_rounds=2, order="left-to-right"),
    SelfSpeculative(window=Cosine(0.3), verify_rounds=4, order="confident"),
    SelfSpeculative(window=Whole(), verify_rounds=4, patience=0.3, order="spaced"),
    SelfSpeculative(window=Fixed(5), verify_rounds=2, patience=0.6),
    SelfSpeculative(window=Whole(), verify_rounds=2, threshold=0.65),
]
DRAFTING = [
    Ancestral(num_steps=9),
    Ancestral(num_steps=9, prediction="fresh"),
    ReMDM(num_steps=9),
    Lookahead(num_paths=3),
]
every_predictor = pytest.mark.parametrize("name", PREDICTORS)


def nfe(trunk_passes, tail_passes):
    return 0.75 * trunk_passes + 0.25 * tail_passes


def replayed(trace):
    token_ids = list(trace.given_ids)
    for step in trace.steps:
        for event in step.events:
            token_ids[event.position] = event.token_id
    return token_ids


def count(trace, *kinds):
    return sum(event.kind in kinds for step in trace.steps for event in step.events)


def num_taken_back(trace):
    """Tokens masked again after a step in which nothing masked was drafted there."""
    token_ids, total = list(trace.given_ids), 0
    for step in trace.steps:
        for event in step.events:
            total += event.kind == "masked-again" and token_ids[event.position] != trace.mask_id
            token_ids[event.position] = event.token_id
    return total


def given(predictor, length):
    """One token given, the rest masked."""
    given_ids = torch.full((1, length), predictor.vocab_size)
    given_ids[0, 1] = 1
    return given_ids


def traced(name, sampler, draws):
    predictor, length = PREDICTORS[name]
    return record(predictor, sampler, given(predictor, length), draws, nfe=nfe)


def checked_trace(name, sampler, seed):
    trace = traced(name, sampler, SeededDraws([seed]))
    check(trace, name, sampler, seed)
    return trace


def check(trace, name, sampler, seed):
    """Compare a trace with the run itself, step by step."""
    predictor, length = PREDICTORS[name]
    given_ids, infos = given(predictor, length), []
    samples = sample(
        predictor,
        sampler,
        given_ids,
        SeededDraws([seed]),
        lambda state, info, rows: infos.append((info, state.token_ids[0].tolist())),
    )
    assert replayed(trace) == samples.token_ids[0].tolist()
    assert sum(step.trunk_passes for step in trace.steps) == samples.trunk_passes
    assert sum(step.tail_passes for step in trace.steps) == samples.tail_passes
    assert trace.steps[-1].nfe == nfe(int(samples.trunk_passes), int(samples.tail_passes))
    assert count(trace, "rejected") == samples.rejected
    settled = count(trace, "accepted", "revealed") - num_taken_back(trace)
    assert settled == samples.accepted
    steps, states = iter(trace.steps), [given_ids[0].tolist()]
    for info, state in infos:
        if int(info.trunk.passes) or state != states[-1]:
            step = next(steps)
            assert step.trunk_passes == info.trunk.passes
            assert step.tail_passes == info.tail.passes
            assert sum(event.kind == "rejected" for event in step.events) == info.rejected
            changed = {e.position for e in step.events if e.token_id != states[-1][e.position]}
            assert changed == {p for p, token in enumerate(state) if token != states[-1][p]}
            for event in step.events:
                before = states[-1][event.position]
                assert before in (trace.mask_id, event.drafted_id)
        states.append(state)
    assert not list(steps)


# What happened, by position


class AlternatingTarget:
    """Drafts 0 everywhere; the target is 0 at even positions and 1 at odd ones."""

    vocab_size, device, first_target_is_draft = 2, torch.device("cpu"), True

    def draft(self, token_ids, positions):
        return Draft(self._surely(torch.zeros_like(positions)), token_ids)

    def verify(self, draft, *, filled_ids, order, first, num_columns):
        places = first[:, None] + torch.arange(num_columns)
        return self._surely(order.gather(1, places) % 2)

    def select(self, draft, rows):
        return Draft(draft.log_probs[rows], draft.context[rows])

    def _surely(self, token_ids):
        return torch.nn.functional.one_hot(token_ids, 2).double().log()


def events_by_hand(*, verify_rounds):
    sampler = SelfSpeculative(window=Whole(), verify_rounds=verify_rounds, order="left-to-right")
    given_ids = torch.tensor([[1, 2, 2, 2, 2]])
    trace = record(AlternatingTarget(), sampler, given_ids, SeededDraws([0]), nfe=nfe)
    assert replayed(trace) == [1, 1, 0, 1, 0]
    return [
        (step.trunk_passes, step.tail_passes, step.nfe)
        + tuple((e.position, e.kind, e.drafted_id, e.token_id) for e in step.events)
        for step in trace.steps
    ]


def test_a_run_by_hand_with_one_round() -> None:
    """The last window holds one token: its draft needs no verification."""
    kept, again = ("accepted", 0, 0), ("masked-again", 0, 2)
    assert events_by_hand(verify_rounds=1) == [
        (1, 1, 1.0, (1, "rejected", 0, 1), (2, *again), (3, *again), (4, *again)),
        (1, 1, 2.0, (2, *kept), (3, "rejected", 0, 1), (4, *again)),
        (1, 0, 2.75, (4, *kept)),
    ]


def test_a_run_by_hand_with_more_rounds() -> None:
    """Drafts behind a rejection are looked at once more and may be kept."""
    kept, rejected = ("accepted", 0, 0), ("rejected", 0, 1)
    assert events_by_hand(verify_rounds=2) == [
        (1, 2, 1.25, (1, *rejected), (2, *kept), (3, *rejected), (4, "masked-again", 0, 2)),
        (1, 0, 2.0, (4, *kept)),
    ]
    assert events_by_hand(verify_rounds=3) == [
        (1, 3, 1.5, (1, *rejected), (2, *kept), (3, *rejected), (4, *kept)),
    ]


@pytest.mark.parametrize(
    ("verify_rounds", "first_target_is_draft"), [(1, True), (2, True), (3, False)]
)
def test_every_path_of_choices_is_recorded_as_it_went(verify_rounds, first_target_is_draft):
    """All outcomes with their probabilities, from traces and from plain runs."""
    predictor = ArbitraryHybrid(2, 3, seed=3, first_target_is_draft=first_target_is_draft)
    sampler = SelfSpeculative(window=Whole(), verify_rounds=verify_rounds)
    order, tokens = [2, 0, 1], [2, 2, 2]

    def program(draws):
        watched = WithOrder(sampler, order)
        trace = record(predictor, watched, torch.tensor([tokens]), draws, nfe=nfe)
        trunk_passes = sum(step.trunk_passes for step in trace.steps)
        tail_passes = sum(step.tail_passes for step in trace.steps)
        num_accepted = count(trace, "accepted")
        return [(tuple(replayed(trace)), trunk_passes, tail_passes, num_accepted)]

    recorded = every_outcome(program, largest_batch=1)
    assert recorded == pytest.approx(law_by_enumeration(predictor, sampler, tokens, order))


# Any sampler


class NotedDraws(SeededDraws):
    """Remembers what it drew for whole windows."""

    def __init__(self, seeds):
        super().__init__(seeds)
        self.windows = []

    def categorical(self, log_probs, where):
        drawn = super().categorical(log_probs, where)
        if where.ndim == 2:  # else it is what replaces a rejected draft
            self.windows.append(drawn[where].tolist())
        return drawn


@every_predictor
@pytest.mark.parametrize("sampler", SPECULATIVE, ids=str)
def test_drafts_and_verdicts_of_self_speculative_sampling(sampler, name) -> None:
    mask_id = PREDICTORS[name][0].vocab_size
    for seed in range(3):
        draws = NotedDraws([seed])
        trace = traced(name, sampler, draws)
        check(trace, name, sampler, seed)
        assert not (count(trace, "accepted", "rejected") and count(trace, "revealed"))
        assert num_taken_back(trace) == 0
        for step, drawn in zip(trace.steps, draws.windows, strict=True):
            drafted = [event.drafted_id for event in step.events]
            if sampler.order != "left-to-right":  # events come in reading order
                drafted, drawn = sorted(drafted), sorted(drawn)
            assert drafted == drawn
            for event in step.events:
                assert 0 <= event.drafted_id < mask_id
                assert (event.token_id == mask_id) == (event.kind == "masked-again")
                is_kept = event.kind in ("accepted", "revealed")
                assert is_kept == (event.token_id == event.drafted_id)


@every_predictor
@pytest.mark.parametrize("window", [Fixed(1), Fixed(3), Whole()], ids=str)
def test_tokens_of_the_target_alone_are_revealed(window, name) -> None:
    trace = checked_trace(name, TargetOnly(window=window), seed=0)
    assert count(trace, "revealed") == PREDICTORS[name][1] - 1
    assert sum(len(step.events) for step in trace.steps) == PREDICTORS[name][1] - 1


@every_predictor
@pytest.mark.parametrize("sampler", DRAFTING, ids=str)
def test_samplers_that_only_draft_reveal_and_take_back(sampler, name) -> None:
    for seed in range(2):
        trace = checked_trace(name, sampler, seed)
        assert count(trace, "accepted", "rejected") == 0
        assert count(trace, "masked-again") == num_taken_back(trace)
        if not isinstance(sampler, ReMDM):
            assert count(trace, "revealed") == PREDICTORS[name][1] - 1


def test_tokens_are_taken_back_even_where_no_pass_is_made() -> None:
    predictor, length = PREDICTORS["chain"]
    num_steps = 30
    trace = checked_trace("chain", ReMDM(num_steps=num_steps), seed=5)
    assert num_taken_back(trace) > 0
    assert any(step.trunk_passes == 0 for step in trace.steps)
    assert all(step.trunk_passes or step.events for step in trace.steps)
    assert len(trace.steps) < num_steps


def test_a_predictor_that_cannot_verify_will_do() -> None:
    predictor = CountedPasses(PREDICTORS["chain"][0])
    trace = record(
        predictor, Ancestral(), given(predictor, 12), SeededDraws([0]), nfe=lambda trunk, _: trunk
    )
    assert trace.steps[-1].nfe == predictor.sequence_passes


def test_where_nothing_is_masked_nothing_happens() -> None:
    predictor = PREDICTORS["chain"][0]
    given_ids = torch.tensor([[0, 1, 2]])
    trace = record(predictor, SelfSpeculative(), given_ids, SeededDraws([0]), nfe=nfe)
    assert (trace.given_ids, trace.steps) == ((0, 1, 2), ())


def test_more_than_one_sequence_is_refused() -> None:
    predictor = PREDICTORS["chain"][0]
    given_ids = torch.full((3, 5), 4)
    with pytest.raises(ConfigError, match="shows one sequence, got given_ids with 3"):
        record(predictor, Ancestral(), given_ids, SeededDraws(range(3)), nfe=nfe)


def test_a_trace_is_a_value_and_plain_json() -> None:
    trace = checked_trace("chain", SPECULATIVE[1], seed=0)
    assert trace == checked_trace("chain", SPECULATIVE[1], seed=0)
    assert hash(trace) != hash(checked_trace("chain", SPECULATIVE[1], seed=1))
    with pytest.raises(FrozenInstanceError):
        trace.mask_id = 0  # type: ignore[misc]
    plain = trace.to_json()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["given_ids"] == list(trace.given_ids)
    assert [Event(**e) for e in plain["steps"][0]["events"]] == list(trace.steps[0].events)


# The page

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]>&lt;\u2028\n\\u003c",
    "{{trace}}",
]


class Scripts(HTMLParser):
    """The script elements of a page, and the addresses that it names."""

    def __init__(self, html):
        super().__init__()
        self.contents, self.addresses, self._is_inside = [], [], False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self._is_inside = tag == "script"
        if self._is_inside:
            self.contents.append("")
        self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        self._is_inside = False

    def handle_data(self, data):
        if self._is_inside:
            self.contents[-1] += data


def template():
    return resources.files("unmask.evaluation").joinpath("trace.html").read_text("utf-8")


def test_no_text_gets_out_of_the_script_that_it_stands_in() -> None:
    trace = checked_trace("chain", SPECULATIVE[1], seed=0).to_json()
    title = "<title>" + "".join(HOSTILE)
    html = page(trace, lambda ids: "".join(HOSTILE[i] for i in ids.tolist()), title)
    embedded, program = Scripts(html).contents
    assert "<" not in embedded
    assert json.loads(embedded) == {
        "title": title,
        "texts": {str(token_id): text for token_id, text in enumerate(HOSTILE)},
        "trace": trace,
    }
    assert program == Scripts(template()).contents[1]
    assert template().count("{{trace}}") == 1
    # Without the escape the same text would get out.
    careless = template().replace("{{trace}}", json.dumps({"title": title}))
    assert "alert(1)" in Scripts(careless).contents


def test_the_page_needs_nothing_else_and_makes_no_markup_of_text() -> None:
    assert not Scripts(template()).addresses
    assert "default-src 'none'" in template()
    addresses = set(re.findall(r"\w+://[^\"'\s)]+", template()))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, not a place
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|@import", template())


def test_tokens_are_decoded_one_by_one_and_mask_never() -> None:
    predictor, codec, asked = PREDICTORS["network"][0], text8(), []

    def decode(token_ids):
        asked.append(token_ids.tolist())
        return codec.decode(token_ids)

    trace = record(
        predictor, SelfSpeculative(), given(predictor, 8), SeededDraws([1]), nfe=TINY.nfe
    )
    page(trace.to_json(), decode, "a title")
    seen = {e.drafted_id for step in trace.steps for e in step.events} | set(replayed(trace))
    assert asked == [[token_id] for token_id in sorted(seen)]
    assert predictor.vocab_size not in seen


def luminance(colour):
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """The ratio of WCAG 2.2."""
    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_apart(scheme) -> None:
    """4.5 for text, 3 for what is not text: level AA of WCAG 2.2."""
    block = re.findall(r":root \{(.*?)\}", template(), re.DOTALL)[scheme]
    colour = dict(re.findall(r"--([\w-]+): (#\w{6})", block))
    page_colour = colour["page"]
    assert all(contrast(colour[name], page_colour) >= 4.5 for name in ("text", "quiet", "given"))
    assert contrast(colour["masked"], page_colour) >= 3
    for kind in ("accepted", "rejected", "revealed", "again"):
        assert contrast(colour[f"{kind}-text"], colour[kind]) >= 4.5
        assert contrast(colour[f"{kind}-edge"], page_colour) >= 3
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize(
    "sampler",
    [
        Lossless(num_tokens=4),
        LosslessBranching(num_tokens=4),
        SelfSpeculative(window=Fixed(4), order="left-to-right"),
        Autoregressive(),
    ],
    ids=lambda sampler: type(sampler).__name__,
)
def test_a_causal_trunk_is_seen_to_accept_and_to_reject(sampler):
    network = random_stream()
    given_ids = torch.full((1, STREAM.length), STREAM.vocab_size)
    kinds = set()
    for seed in range(4):
        seen = record(network, sampler, given_ids, SeededDraws([seed]), nfe=network.config.nfe)
        wanted = sample(network, sampler, given_ids, SeededDraws([seed]))
        last: dict[int, int] = {}
        for step in seen.steps:
            for event in step.events:
                last[event.position] = event.token_id
                kinds.add(event.kind)
        assert [last[p] for p in range(STREAM.length)] == wanted.token_ids[0].tolist()
    is_verified = not isinstance(sampler, Autoregressive)
    assert ("rejected" in kinds) == is_verified
