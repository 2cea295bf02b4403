"""Two models as one, behind wrappers."""

import torch

from unmask.predictors.markov import MarkovChain
from unmask.predictors.pair import DrafterVerifierPair, TwoVocabularyPair, each_behind

SMALL, LARGE = MarkovChain.random(5, 1, 0), MarkovChain.random(7, 1, 1)


class Wrapped:
    def __init__(self, predictor) -> None:
        self.predictor = predictor


def test_a_wrapper_is_put_around_each_of_a_team() -> None:
    assert each_behind(SMALL, Wrapped).predictor is SMALL
    team = each_behind(DrafterVerifierPair(SMALL, LARGE), Wrapped)
    assert (team.drafter.predictor, team.verifier.predictor) == (SMALL, LARGE)
    one = each_behind(DrafterVerifierPair(LARGE, LARGE), Wrapped)
    assert one.drafter is one.verifier  # two wrappers would count as two models
    across = each_behind(TwoVocabularyPair(SMALL, LARGE), Wrapped)
    assert isinstance(across, TwoVocabularyPair)
    assert across.drafter.predictor is SMALL and across.verifier is LARGE


def test_a_team_speaks_by_its_verifier_and_one_of_two_vocabularies_by_its_drafter() -> None:
    canvas, place = torch.tensor([[5, 1, 5]]), torch.tensor([[0]])
    across = TwoVocabularyPair(SMALL, LARGE)
    assert across.vocab_size == 5
    assert torch.equal(across.draft(canvas, place).log_probs, SMALL.draft(canvas, place).log_probs)
    canvas = torch.tensor([[7, 1, 7]])
    team = DrafterVerifierPair(SMALL, LARGE)
    assert team.vocab_size == 7
    assert torch.equal(team.draft(canvas, place).log_probs, LARGE.draft(canvas, place).log_probs)
