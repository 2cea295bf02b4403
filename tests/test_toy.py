"""The method at its smallest: neighbours that depend on each other, and everything enumerated.

A tiny network learns a chain whose tokens are uniform one by one, so a factorised draft knows
nothing until a neighbour is revealed. Both samplers' laws over all 5^4 sequences are worked out
exactly: ancestral sampling by enumeration of its choices, self-speculative sampling by the
likelihood recursion for each of the 24 orders.
"""

import itertools
import math

import pytest
import torch

from unmask.data.text import split
from unmask.data.toy import toy_chain
from unmask.draws import SeededDraws
from unmask.evaluation.enumeration import every_outcome
from unmask.network.config import HybridConfig
from unmask.process.windows import Whole
from unmask.samplers.ancestral import Ancestral
from unmask.samplers.likelihood import law_of, pass_tables
from unmask.samplers.sampler import sample
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.speculation.likelihood import expected_work, log_likelihood
from unmask.training.config import TrainerConfig
from unmask.training.loop import new_state, train
from unmask.training.optimizers import OptimizerConfig
from unmask.training.task import TextTask
from unmask.vocabularies.characters import Characters

VOCAB, LENGTH = 5, 4
CONFIG = HybridConfig(
    vocab_size=VOCAB, length=LENGTH, width=32, num_heads=2, num_trunk_blocks=2, num_tail_blocks=1
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network trained for some seconds on crops of the chain, and its last validation."""
    chain = toy_chain(VOCAB)
    token_ids = chain.sample(SeededDraws([0]), batch_size=1, length=20_000)[0].byte()
    trainer = TrainerConfig(
        num_steps=500, batch_size=64, precision="float32", ema_decay=0.98, num_valid=2048
    )
    optimizer = OptimizerConfig(warmup_steps=20)
    state = new_state(CONFIG, optimizer, trainer)
    folder = tmp_path_factory.mktemp("toy")
    task = TextTask(
        split(token_ids), LENGTH, "random", Characters(alphabet="abcdefghijklmnopqrst"[:VOCAB])
    )
    validation = train(state, task, folder, optimizer=optimizer, trainer=trainer)
    return state.averaged.module.double().eval(), validation


@pytest.mark.slow
def test_target_loss_falls_below_draft_loss(trained):
    _, validation = trained
    gap = validation.draft_bits - validation.target_bits
    assert gap > 5 * math.hypot(*validation.standard_errors.values())


@pytest.mark.slow
def test_self_speculative_samples_are_closer_to_the_source_at_no_more_passes(trained):
    network, _ = trained
    every_sequence = torch.tensor(list(itertools.product(range(VOCAB), repeat=LENGTH)))
    source = toy_chain(VOCAB).log_prob(every_sequence)
    ours, our_nfe = speculative_law(network, every_sequence)
    theirs, their_nfe = ancestral_law(network, every_sequence, num_steps=3)
    assert ours.sum().item() == pytest.approx(1, abs=1e-9)
    assert our_nfe < their_nfe
    assert divergence(source, ours) < 0.5 * divergence(source, theirs)


def divergence(log_source, law):
    """KL(source || law) in nats."""
    return (log_source.exp() * (log_source - law.log())).sum().item()


def speculative_law(network, every_sequence):
    """The probability of each sequence, and the expected NFE, averaged over all orders."""
    sampler = SelfSpeculative(window=Whole(), verify_rounds=LENGTH)
    law = law_of(sampler, LENGTH)
    num_given = every_sequence[:, 0] * 0
    laws, nfes = [], []
    for order in itertools.permutations(range(LENGTH)):
        orders = torch.tensor([order]).expand(len(every_sequence), -1)
        tables = pass_tables(network, law, every_sequence, orders, num_given, batch_size=1 << 12)
        probability = log_likelihood(tables, law.verify_rounds, num_given).exp()
        work = expected_work(tables, law.verify_rounds, num_given, first_target_is_draft=True)
        nfe = CONFIG.nfe(1, 0) * work.trunk_passes + CONFIG.nfe(0, 1) * work.tail_passes
        laws.append(probability)
        nfes.append((probability * nfe).sum().item())
    return torch.stack(laws).mean(0), sum(nfes) / len(nfes)


def ancestral_law(network, every_sequence, num_steps):
    """The same for ancestral sampling, by enumeration of every choice."""

    def program(draws):
        given_ids = torch.full((len(draws), LENGTH), VOCAB)
        samples = sample(network, Ancestral(num_steps=num_steps), given_ids, draws)
        return list(
            zip(
                map(tuple, samples.token_ids.tolist()),
                samples.trunk_passes.tolist(),
                strict=True,
            )
        )

    outcomes = every_outcome(program, largest_batch=1 << 15)
    law = dict.fromkeys(map(tuple, every_sequence.tolist()), 0.0)
    for (row, _), probability in outcomes.items():
        law[row] += probability
    passes = sum(trunk * p for (_, trunk), p in outcomes.items())
    return torch.tensor(list(law.values()), dtype=torch.float64), CONFIG.nfe(passes, 0)
