"""Who drafts and who verifies for a chat model, and what a pass of the drafter counts as.

With P_d, B_d, d_d the weights, blocks and width of the drafter, and P, B, d the verifier's,

    a pass, or a token, of the drafter counts as    P_d / P
    a pair of its tokens, one attending the other   B_d d_d / (B d)

Embeddings are counted, which a pass hardly uses: of a small drafter that is too much rather than
too little.
"""

from dataclasses import dataclass
from typing import Any

from unmask.dllm.adapted import AdaptedDllm
from unmask.dllm.network import DllmNetwork
from unmask.predictors.pair import DrafterVerifierPair, TwoVocabularyPair

ChatNetwork = DllmNetwork | AdaptedDllm


@dataclass(frozen=True)
class Roles:
    """The networks of one model: both roles are one network's, unless another was called in."""

    drafter: ChatNetwork
    verifier: ChatNetwork
    by_text: bool = False
    """Whether they have vocabularies of their own, and what is drafted is verified as text."""

    @property
    def predictor(self) -> Any:
        """What samplers ask: the network, or a pair where another drafts or verifies."""
        if self.drafter is self.verifier:
            return self.verifier
        pair = TwoVocabularyPair if self.by_text else DrafterVerifierPair
        return pair(self.drafter, self.verifier)

    @property
    def drafter_share(self) -> float:
        """What a pass of the drafter counts as, in passes of the verifier."""
        weights = [trunk_of(one).config.num_weights for one in (self.drafter, self.verifier)]
        return weights[0] / weights[1]

    @property
    def drafter_pair_share(self) -> float:
        """What a pair of its tokens counts as."""
        configs = [trunk_of(one).config for one in (self.drafter, self.verifier)]
        of_drafter, of_verifier = (each.num_blocks * each.width for each in configs)
        return of_drafter / of_verifier

    @property
    def length(self) -> int:
        """The longest sequence that both can take."""
        return min(self.drafter.config.length, self.verifier.config.length)


def trunk_of(network: ChatNetwork) -> DllmNetwork:
    """The network without a tail."""
    return network.trunk if isinstance(network, AdaptedDllm) else network
