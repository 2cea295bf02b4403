import pytest

from unmask.errors import ConfigError
from unmask.evaluation.continuation import Continuation
from unmask.evaluation.rolling import windows


def test_windows_by_hand() -> None:
    assert windows(range(8), length=4, prefix_ids=[99]) == [
        Continuation((99,), (0, 1, 2)),
        Continuation((2,), (3, 4, 5)),
        Continuation((4, 5), (6, 7)),
    ]
    assert windows(range(5), length=4) == [
        Continuation((), (0, 1, 2, 3)),
        Continuation((1, 2, 3), (4,)),
    ]
    assert windows(range(3), length=4, prefix_ids=[99]) == [Continuation((99,), (0, 1, 2))]
    assert windows([], length=4, prefix_ids=[99]) == []


@pytest.mark.parametrize("num_prefix", [0, 1, 2])
@pytest.mark.parametrize("length", [3, 4, 7])
def test_each_token_is_scored_once_behind_what_comes_before_it(length, num_prefix) -> None:
    prefix = [100 + n for n in range(num_prefix)]
    for num_tokens in range(40):
        found = windows(range(num_tokens), length=length, prefix_ids=prefix)
        assert [t for each in found for t in each.target_ids] == list(range(num_tokens))
        for each in found[1:]:
            whole = (*each.context_ids, *each.target_ids)
            assert len(whole) == min(length, each.target_ids[-1] + 1) and each.context_ids
            assert list(whole) == list(range(whole[0], whole[-1] + 1))
        for each in found[:1]:
            assert list(each.context_ids) == prefix
            assert len(each.context_ids) + len(each.target_ids) <= length


def test_windows_are_those_of_the_harness() -> None:
    utils = pytest.importorskip("lm_eval.utils")
    for num_tokens in range(30):
        for length in (2, 3, 5, 8):
            theirs = utils.get_rolling_token_windows(
                list(range(num_tokens)), prefix_token=99, max_seq_len=length - 1, context_len=1
            )
            expected = [
                Continuation(tuple(context), tuple(target))
                for context, target in map(utils.make_disjoint_window, theirs)
            ]
            assert windows(range(num_tokens), length=length, prefix_ids=[99]) == expected


@pytest.mark.parametrize(("length", "prefix"), [(1, []), (1, [9]), (2, [9, 9]), (0, [])])
def test_windows_without_room_are_refused(length, prefix) -> None:
    with pytest.raises(ConfigError, match="windows must have at least"):
        windows(range(5), length=length, prefix_ids=prefix)
