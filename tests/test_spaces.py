"""Spaces, Sobol points, and what Optuna sees of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

from evenkeel.search_spaces import SPACES, Choice, Float, Int, Space
from evenkeel.search_spaces.constraints import Constraint
from evenkeel.search_spaces.optuna_search import NUM_RANDOM, SAMPLERS, Proposals
from evenkeel.search_spaces.sobol import shared_axes, sobol_points


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("num", [2, 5, 7])
def test_levels_lie_inside_and_hold_the_default(name, num):
    for parameter in SPACES[name].parameters.values():
        levels = parameter.levels(num)
        assert parameter.default in levels
        assert all(parameter.problem(level) is None for level in levels)
        assert isinstance(parameter, Choice) or (len(levels) == num and levels == sorted(set(levels)))


@given(share=st.floats(0, 1, exclude_max=True))
def test_every_share_of_a_range_lies_inside(share):
    wanted = [
        Float(low=1e-3, high=10, default=1, symbol="x", source="-", log=True),
        Int(low=1, high=8, default=2, symbol="x", source="-"),
        Choice(options=("a", "b"), default="a", symbol="x", source="-"),
    ]
    assert all(parameter.problem(parameter.at(share)) is None for parameter in wanted)


def test_log_levels_are_evenly_placed_in_the_logarithm():
    levels = Float(low=0.01, high=100, default=1, symbol="x", source="-", log=True).levels(5)
    assert np.log10(levels) == pytest.approx([-2, -1, 0, 1, 2])


@pytest.mark.parametrize(
    ("value", "message"),
    [(13.0, "must lie in"), (float("nan"), "finite number"), ("4", "finite number"), (True, "finite")],
)
def test_problems_are_named(value, message):
    assert message in SPACES["asl"].parameters["gamma_neg"].problem(value)


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        (Float(low=0, high=8, default=2, symbol="x", source="-"), 4, 4.0),
        (Int(low=0, high=8, default=2, symbol="x", source="-"), 4.0, 4),
        (Choice(options=(None, 1, 2), default=None, symbol="x", source="-"), 1.0, 1),
        (Choice(options=(None, 1, 2), default=None, symbol="x", source="-"), None, None),
        (Choice(options=(False, True), default=False, symbol="x", source="-"), 1, True),
        (Choice(options=(0.5, 1.0), default=0.5, symbol="x", source="-"), 1, 1.0),
    ],
)
def test_a_parameter_knows_its_type(parameter, value, expected):
    typed = parameter.typed(value)
    assert typed == expected and type(typed) is type(expected)


def test_a_value_of_no_such_type_is_refused():
    with pytest.raises(ValueError, match=r"must be a whole number, got 4\.5"):
        Int(low=0, high=8, default=2, symbol="x", source="-").typed(4.5)
    with pytest.raises(ValueError, match="must be one of 'a', 'b', got 'c'"):
        Choice(options=("a", "b"), default="a", symbol="x", source="-").typed("c")


@pytest.mark.parametrize("odd", [(), {}, [1]])
def test_an_option_is_a_plain_value(odd):
    with pytest.raises(ValueError, match="options must be numbers, texts, truths or None, got"):
        Choice(options=("a", odd), default="a", symbol="x", source="-")


@pytest.mark.parametrize("name", SPACES)
def test_defaults_and_placed_levels_have_the_type_of_their_parameter(name):
    for parameter in SPACES[name].parameters.values():
        for value in (parameter.default, parameter.at(0.3), *parameter.levels(4)):
            assert type(parameter.typed(value)) is type(value) and parameter.typed(value) == value


def test_ranges_are_checked():
    with pytest.raises(ValueError, match="low must be < high"):
        Float(low=1, high=1, default=1, symbol="x", source="-")
    with pytest.raises(ValueError, match="log range needs low > 0"):
        Float(low=0, high=1, default=1, symbol="x", source="-", log=True)


def test_losses_share_sobol_points_where_they_share_a_hyperparameter():
    axes = shared_axes(SPACES.values())
    apl, ral = (sobol_points(SPACES[name], axes, m=4, seed=3) for name in ("apl", "ral"))
    assert len(apl) == 16
    assert all(a[key] == r[key] for a, r in zip(apl, ral, strict=True) for key in a if key != "focusing")


def test_sobol_points_are_seeded_and_even():
    space = Space({k: v for k, v in SPACES["ral"].parameters.items() if isinstance(v, Float)})
    axes = shared_axes([space])
    points = sobol_points(space, axes, m=6, seed=1)
    assert points == sobol_points(space, axes, m=6, seed=1)
    assert points != sobol_points(space, axes, m=6, seed=2)
    unit = np.array([[(p[k] - v.low) / (v.high - v.low) for k, v in space.parameters.items()] for p in points])
    random = np.random.default_rng(0).random(unit.shape)
    assert qmc.discrepancy(unit) < qmc.discrepancy(random)
    assert (np.histogram(unit[:, 0], bins=8, range=(0, 1))[0] == 8).all()


def test_a_space_without_hyperparameters_has_one_setting():
    assert sobol_points(SPACES["bce"], ["clip"], m=5, seed=0) == [{}]


@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_are_seeded_and_stay_inside(name, capsys):
    """Of losses with a choice too, and without a word."""
    space = SPACES["ral"]

    def draw(seed):
        proposals = Proposals(name, space, seed=seed)
        settings = [proposals.ask(number) for number in range(2)]
        for number in range(2, NUM_RANDOM + 2):
            numbers = [v for v in settings[number - 2].values() if isinstance(v, float)]
            proposals.tell(number - 2, [-sum((v - 1) ** 2 for v in numbers)])
            settings.append(proposals.ask(number))
        return settings

    drawn = draw("1")
    assert drawn == draw("1") and drawn != draw("2")
    assert all(space.parameters[key].problem(value) is None for setting in drawn for key, value in setting.items())
    assert len({str(setting) for setting in drawn}) == len(drawn)
    assert "".join(capsys.readouterr()) == ""


@pytest.mark.parametrize(
    ("text", "setting", "holds"),
    [
        ("a >= b", {"a": 1, "b": 1.0}, True),
        ("a>b", {"a": 1, "b": 1.0}, False),
        ("a <= 0.5", {"a": 0.6}, False),
        ("1e-3 < a", {"a": 0.6}, True),
        ("a < b", {"a": 2}, True),
    ],
)
def test_a_constraint_compares_numbers_and_leaves_losses_alone_that_lack_one(text, setting, holds):
    assert Constraint.parse(text).holds(setting) is holds


def test_levels_go_through_the_defaults_of_other_losses_too():
    """gamma_neg of ASL (4) and of BAL (9.8) over 0 to 12: one grid of five for both."""
    asl, bal = (SPACES[name].parameters["gamma_neg"] for name in ("asl", "bal"))
    assert asl.levels(5, [bal.default]) == bal.levels(5, [asl.default]) == [0, 4, 6, 9.8, 12]
    assert asl.levels(5, [asl.default]) == asl.levels(5) == [0, 4, 6, 9, 12]
    assert asl.levels(2, [9.8, 9.9]) == [4, 9.8, 9.9], "more defaults than levels"
