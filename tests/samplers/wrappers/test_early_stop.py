"""What can end with its text, and what cannot, is known when it is built."""

import pytest

from unmask.errors import ConfigError
from unmask.samplers.klass import Klass
from unmask.samplers.remdm import ReMDM
from unmask.samplers.star_shaped import StarShaped
from unmask.samplers.wrappers.early_stop import EarlyStop
from unmask.samplers.wrappers.guided import Guided


@pytest.mark.parametrize("sampler", [ReMDM(), StarShaped(), Guided(sampler=ReMDM())])
def test_what_cannot_end_early_is_refused_when_it_is_built(sampler):
    with pytest.raises(ConfigError, match="cannot stop where an answer ends"):
        EarlyStop(sampler=sampler, end_ids=(1,))


def test_what_can_is_taken():
    assert EarlyStop(sampler=Guided(sampler=Klass()), end_ids=(1,)).end_ids == (1,)
