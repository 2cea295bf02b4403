"""Samplers in words: read, written back, and what cannot be read."""

import math

import pytest

import unmask
from tests.large_model_folder import write_large_model
from unmask.caching.policies import Delayed, Dual
from unmask.errors import ConfigError
from unmask.process.blocks import LeftToRight
from unmask.process.windows import Cosine, Fixed
from unmask.samplers.ancestral import Ancestral
from unmask.samplers.draft_verify import DraftVerify
from unmask.samplers.klass import Klass
from unmask.samplers.registry import SAMPLERS
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.spec import read_cached, read_sampler, split_specs
from unmask.samplers.threshold import Threshold
from unmask.speculation.filters import Filter

READ = {
    "self-speculative": SelfSpeculative(),
    "self-speculative()": SelfSpeculative(),
    " self-speculative ( verify_rounds = 2 ) ": SelfSpeculative(verify_rounds=2),
    "self-speculative(window=cosine(0.2), verify_rounds=4, order=spaced)": SelfSpeculative(
        window=Cosine(0.2), verify_rounds=4, order="spaced"
    ),
    "self-speculative(window=fixed(num_tokens=8), temperature=0, top_p=0.9)": SelfSpeculative(
        window=Fixed(8), filter=Filter(temperature=0.0, top_p=0.9)
    ),
    "self-speculative(fixed(8), 3)": SelfSpeculative(window=Fixed(8), verify_rounds=3),
    "self-speculative(patience=inf)": SelfSpeculative(patience=math.inf),
    "ancestral(num_steps=7)": Ancestral(num_steps=7),
    "threshold(threshold=0.95, blocks=left-to-right(32))": Threshold(
        threshold=0.95, blocks=LeftToRight(32)
    ),
    "draft-verify(drafter=klass(threshold=0.5), rule=kl)": DraftVerify(
        drafter=Klass(threshold=0.5), rule="kl"
    ),
}


@pytest.mark.parametrize("spec", READ)
def test_a_spec_is_read_and_written_back(spec):
    assert read_sampler(spec) == READ[spec]
    assert read_sampler(str(READ[spec])) == READ[spec]


@pytest.mark.parametrize("name", sorted(SAMPLERS.keys() - {"learned-policy"}))
def test_every_sampler_is_its_name_where_it_is_as_usual(name):
    assert read_sampler(name) == SAMPLERS[name]()
    assert str(SAMPLERS[name]()) == name


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("", "a sampler was expected at the end"),
        ("speculative", "no sampler 'speculative'.*Did you mean 'self-speculative'.*ancestral"),
        ("ancestral(num_step=4)", "has no 'num_step'.*Did you mean 'num_steps'.*It has:"),
        ("ancestral(num_steps=many)", "num_steps of ancestral is 'many'.*a whole number"),
        ("ancestral(num_steps=4", "not followed by a comma or a closing bracket"),
        ("ancestral(num_steps=4))", r"'\)' is left over"),
        ("ancestral(num_steps=4, num_steps=5)", "given twice"),
        ("ancestral num_steps=4", "'num_steps=4' is left over"),
        ("ancestral(num_steps=)", "a value was expected"),
        ("self-speculative(order=sideways)", "order of self-speculative is 'sideways'.*spaced"),
        ("self-speculative(window=0.2)", "no window '0.2'.*cosine"),
        ("self-speculative(window=fixed(1.5))", "num_tokens of fixed is '1.5'.*a whole number"),
        ("self-speculative(window=fixed)", "fixed needs num_tokens"),
        ("self-speculative(window=fixed(2, 3))", "fixed has no place for '3'"),
        ("self-speculative(verify_rounds=0)", "verify_rounds must be at least 1"),
        ("__import__('os')", "no sampler|expected"),
        ("ancestral(num_steps=" + "9" * 5000 + ")", "num_steps of ancestral is"),
    ],
)
def test_what_cannot_be_read_is_answered_with_what_can(spec, said):
    with pytest.raises(ConfigError, match=said) as found:
        read_sampler(spec)
    assert len(str(found.value)) < 900


def test_what_is_put_around_a_sampler_is_written_too(tmp_path):
    model = unmask.load(str(write_large_model(tmp_path / "model")))
    spec = "threshold(threshold=0.95, temperature=0)+dual(block_length=8)"
    sampler, cache = read_cached(spec)
    assert str(model.stop_at_end(model.with_cache(sampler, cache))) == spec
    assert str(sampler.blocks) == "whole"


def test_a_spec_may_name_a_cache():
    found = read_cached("threshold(threshold=0.95)+delayed(refresh=4, block_length=16)")
    assert found == (Threshold(threshold=0.95), Delayed(4, 16))
    assert read_cached("klass + dual") == (Klass(), Dual())
    assert read_cached("klass") == (Klass(), None)
    with pytest.raises(ConfigError, match="which only large models have"):
        read_sampler("klass+dual")
    with pytest.raises(ConfigError, match="no cache 'duel'.*Did you mean 'dual'"):
        read_cached("klass+duel")
    with pytest.raises(ConfigError, match="a cache was expected"):
        read_cached("klass+")


def test_what_a_spec_does_not_say_is_as_usual():
    usual = {
        "draft-verify": DraftVerify(
            drafter=Threshold(threshold=0.6, filter=Filter(temperature=0.0)), num_draft_passes=2
        ),
        "dual": Dual(8),
    }
    sampler, cache = read_cached("draft-verify(drafter=threshold(top_p=0.5))+dual", usual)
    drafter = Threshold(threshold=0.6, filter=Filter(temperature=0.0, top_p=0.5))
    assert sampler == DraftVerify(drafter=drafter, num_draft_passes=2)
    assert cache == Dual(8)
    other, _ = read_cached("draft-verify(drafter=klass)", usual)
    assert other == DraftVerify(drafter=Klass(), num_draft_passes=2)


def test_a_list_of_specs_is_split_outside_of_brackets():
    assert split_specs("a, b(c=1, d=e(f,g))+h(2,3) ,i") == ["a", "b(c=1, d=e(f,g))+h(2,3)", "i"]
    assert split_specs("a)),b") == ["a))", "b"]
