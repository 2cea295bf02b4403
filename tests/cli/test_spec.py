"""`--sampler` takes a whole spec, which options behind it override."""

import pytest

from tests.cli.command import refused
from unmask.cli import generate
from unmask.cli.options.decoding import DecodingOptions
from unmask.models.load import load
from unmask.samplers.ancestral import Ancestral
from unmask.speculation.filters import Filter


def sampler_of(*arguments: str):
    parser = generate.build_parser()
    decoding = DecodingOptions(parser, ["text8s-any", *arguments])
    return decoding.build(parser.parse(decoding.rest), load("text8s-any"))


@pytest.mark.parametrize("joined", [True, False])
def test_a_spec_stands_for_a_name_and_its_options(joined):
    spec = "ancestral(num_steps=5, temperature=0.5)"
    flag = [f"--sampler={spec}"] if joined else ["--sampler", spec]
    made = Ancestral(num_steps=5, filter=Filter(temperature=0.5))
    assert sampler_of(*flag) == made
    assert sampler_of(*flag, "--sampler.num-steps", "6") == Ancestral(
        num_steps=6, filter=made.filter
    )
    assert sampler_of(*flag, "--temperature", "1") == Ancestral(num_steps=5)


def test_a_spec_that_cannot_be_read_is_refused(capsys):
    said = refused(capsys, "generate", "text8s-any", "--sampler", "ancestral(num_step=5)")
    assert "Did you mean 'num_steps'?" in said
