import pytest

from unmask.speed.paired import Timing, in_turns


def test_functions_take_turns_and_the_first_does_not_count():
    calls = []

    def named(name, seconds):
        def function():
            calls.append(name)
            return seconds[calls.count(name) - 1]

        return function

    first, second = in_turns(
        [named("a", [9.0, 1.0, 2.0, 6.0]), named("b", [9.0, 2.0, 2.0, 2.0])], rounds=3
    )
    assert calls == ["a", "b"] * 4
    assert first.seconds == (1.0, 2.0, 6.0) and first.median == 2.0
    assert first.over(second) == 1.0 and second.over(first) == 1.0


def test_ratios_are_of_the_same_round():
    """Ratios 2, 2 and 1/2, whatever the machine did between rounds."""
    assert Timing((2.0, 20.0, 1.0)).over(Timing((1.0, 10.0, 2.0))) == 2.0


def test_what_does_not_measure_itself_is_measured():
    (timing,) = in_turns([lambda: None], rounds=2)
    assert len(timing.seconds) == 2 and min(timing.seconds) > 0


def test_every_turn_is_told_of():
    turns = []
    in_turns([lambda: 1.0, lambda: 1.0], rounds=2, observe=lambda: turns.append(None))
    assert len(turns) == 6


@pytest.mark.parametrize("seconds", [(1.0,), (3.0, 1.0)])
def test_a_function_takes_as_long_as_itself(seconds):
    assert Timing(seconds).over(Timing(seconds)) == 1.0
