"""Filters against pandas' own expressions, and one sentence with a position for each fault."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import example, given, reject
from hypothesis import strategies as st

from napari_deepsmlm.filtering import Filter, FilterError, column_names, filter_table
from napari_deepsmlm.localizations import Localizations

N = 60
CHANCE = np.random.default_rng(5)
TABLE = Localizations(
    frame=CHANCE.integers(0, 40, N),
    x_nm=CHANCE.integers(-9, 10, N) / 2,
    y_nm=np.where(CHANCE.random(N) < 0.1, np.nan, CHANCE.integers(-9, 10, N)),
    photons=CHANCE.uniform(0, 1000, N),
    uncertainty_x_nm=CHANCE.uniform(1, 9, N),
    uncertainty_y_nm=CHANCE.uniform(1, 9, N),
    SNR=CHANCE.uniform(1, 9, N),
)
# The same columns as pandas sees them, under ThunderSTORM's names.
FRAME = pd.DataFrame(
    {
        "frame": TABLE.frame + 1.0,
        "x": TABLE.x_nm,
        "y": TABLE.y_nm,
        "intensity": TABLE["photons"],
        "uncertainty_xy": np.sqrt(
            (TABLE["uncertainty_x_nm"] ** 2 + TABLE["uncertainty_y_nm"] ** 2) / 2
        ),
    }
)


def kept(text: str) -> list[int]:
    return np.flatnonzero(Filter(text, TABLE.names).mask(TABLE)).tolist()


# -- an independent oracle -------------------------------------------------------------------

numbers = st.integers(0, 12).map(str) | st.sampled_from(["0.5", "2.25", "1e1", ".5"])
columns = st.sampled_from([str(name) for name in FRAME.columns])


def _arithmetic(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return (
        st.tuples(parts, st.sampled_from(["+", "-", "*", "/"]), parts).map(" ".join)
        | parts.map("({})".format)
        | parts.map("-{}".format)
        | parts.map("({})^2".format)
        | parts.map("({})^-1".format)
    )


sums = st.recursive(numbers | columns, _arithmetic, max_leaves=6)
signs = st.sampled_from(["<", "<=", ">", ">=", "=", "!=", "=="])
# A column in each: pandas takes what is only numbers as Python's, whose -True is a number.
with_column = st.tuples(columns, st.sampled_from(["+", "-", "*", "/"]), sums).map(" ".join)
comparisons = st.tuples(with_column | columns, signs, sums).map(" ".join)


def _logic(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return (
        st.tuples(parts, st.sampled_from(["&", "|", "&&", "||"]), parts).map(" ".join)
        | parts.map("({})".format)
        | parts.map("!({})".format)
    )


conditions = st.recursive(comparisons, _logic, max_leaves=6)


def pandas_mask(text: str) -> np.ndarray:
    """What pandas keeps: its own parser, of Python's syntax with its precedence."""
    python = text.replace("!=", "≠").replace("!", " not ").replace("≠", "!=")
    python = python.replace("==", "=").replace("=", "==").replace("^", "**")
    for sign in "<>!":
        python = python.replace(f"{sign}==", f"{sign}=")
    python = python.replace("&&", "&").replace("||", "|").replace("&", " and ").replace("|", " or ")
    try:
        with np.errstate(all="ignore"):
            mask = FRAME.eval(python, engine="python")
    except ZeroDivisionError:  # numbers without a column: Python's, which are never infinite
        reject()
    return np.broadcast_to(np.asarray(mask, bool), N)


@given(conditions)
@example("x < 1 | y < 2 & intensity > 500")
@example("-x^2 < -4 & 2^-1 = .5 & 2 - 1 - 1 = 0 & 8 / 2 / 2 = 2")
def test_the_rows_kept_are_those_that_pandas_keeps(text: str) -> None:
    mask = Filter(text, TABLE.names).mask(TABLE)
    np.testing.assert_array_equal(mask, pandas_mask(text))


@given(conditions, st.data())
def test_spaces_and_case_mean_nothing(text: str, data: st.DataObject) -> None:
    tight = text.replace(" ", "")
    loose = text.upper().replace(" ", data.draw(st.sampled_from(["  ", "\n", "\t"])))
    expected = Filter(text, TABLE.names).mask(TABLE)
    for spelling in (tight, loose):
        np.testing.assert_array_equal(Filter(spelling, TABLE.names).mask(TABLE), expected)


pieces = st.sampled_from([*"xy019.<>=!&|()+-*/%^[] eé", "[nm]", "frame", "abs("])


@given(st.lists(pieces).map("".join))
def test_any_text_is_a_filter_or_one_sentence(text: str) -> None:
    try:
        condition = Filter(text, TABLE.names)
    except FilterError as error:
        sentence, position = str(error), error.position
    else:
        assert condition.mask(TABLE).shape == (N,)
        return
    assert sentence.startswith("Filter, character ")
    assert "\n" not in sentence
    assert 0 <= position <= len(text)


# -- ThunderSTORM's ways ---------------------------------------------------------------------


def test_the_examples_of_thunderstorms_manual() -> None:
    chance = np.random.default_rng(0)
    x, y, sigma = chance.uniform(0, 20_000, (3, 1000))
    table = Localizations(frame=np.arange(1000), x_nm=x, y_nm=y, sigma_nm=sigma / 100, photons=x)
    for text, expected in {
        "sigma > 15": sigma / 100 > 15,
        "frame < 100 | frame > 200": (np.arange(1000) < 99) | (np.arange(1000) > 199),
        "(x > 5000 & x < 10000 & y > 5000 & y < 10000)": (
            (x > 5000) & (x < 10_000) & (y > 5000) & (y < 10_000)
        ),
        "(x-10000)^2 + (y-10000)^2 < 2000^2": np.hypot(x - 1e4, y - 1e4) < 2000,
    }.items():
        np.testing.assert_array_equal(Filter(text, table.names).mask(table), expected)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("uncertainty < 5", "uncertainty_xy [nm] < 5"),
        ("x [um] < 0.001", "x_nm < 1"),
        ("Intensity [photon] > 500", "photons > 500"),
        ("snr > 4", "SNR > 4"),
        ("frame = 1", "frame - 1 = 0"),
        ("7 % 4 = 3 & -7 % 4 = -3", "1 = 1"),
        ("abs(x) < 2 & sqrt(x ^ 2) < 2", "x > -2 & x < 2"),
        ("log(exp(x)) > 1.99", "x > 1.99"),
    ],
)
def test_two_ways_to_say_the_same(text: str, same: str) -> None:
    assert kept(text) == kept(same)


@pytest.mark.parametrize("function", ["min", "max", "sum", "mean", "median", "std", "var"])
def test_functions_over_all_rows_leave_out_missing_values(function: str) -> None:
    values = FRAME["y"].dropna()
    ddof = {"ddof": 0} if function in ("std", "var") else {}
    expected = getattr(values, function)(**ddof)
    text = f"abs({function}(y) - {expected:.12f}) < 1e-9".replace("- -", "+ ")
    assert len(kept(text)) == N
    assert kept(f"y > {function}(y)") == np.flatnonzero(FRAME["y"] > expected).tolist()


def test_functions_of_nothing_keep_nothing() -> None:
    empty = Localizations.empty("photons")
    assert Filter("intensity > mean(intensity)", empty.names).mask(empty).shape == (0,)
    nothing = Localizations(frame=[0], x_nm=[1], y_nm=[1], photons=[np.nan])
    assert not Filter("x > max(intensity)", nothing.names).mask(nothing).any()


def test_a_missing_value_fulfils_no_comparison_but_unequal() -> None:
    missing = np.flatnonzero(FRAME["y"].isna()).tolist()
    assert missing
    assert not set(missing) & set(kept("y < 0 | y >= 0"))
    assert set(missing) <= set(kept("y != 0"))


def test_rows_keep_their_order_and_columns_whatever_holds_them() -> None:
    table = filter_table(TABLE, "x > 0")
    assert table.names == TABLE.names
    np.testing.assert_array_equal(table["photons"], TABLE["photons"][TABLE.x_nm > 0])
    tensors = filter_table(TABLE.to_torch(), "x > 0")
    assert len(tensors) == len(table)
    assert not isinstance(tensors.x_nm, torch.Tensor)


def test_names_that_may_be_written() -> None:
    names = column_names(("frame", "x_nm", "y_nm", "sigma_nm", "sigma_y_nm", "uncertainty_y_nm"))
    assert names == ("frame", "x", "y", "sigma1", "sigma2", "uncertainty_xy", "uncertainty_y")
    for name in column_names(TABLE.names):
        assert kept(f"{name} = {name} | {name} != {name}") == list(range(N))


def test_a_name_may_have_letters_of_any_language() -> None:
    table = Localizations(frame=[0, 1], x_nm=[1, 2], y_nm=[1, 2], Güte=[0.1, 0.9])
    assert filter_table(table, "Güte > 0.5").x_nm.tolist() == [2]


# -- faults ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "position", "sentence"),
    [
        ("", 0, "nothing is written here; write a condition such as 'x < 1000'"),
        ("  \n", 0, "nothing is written here"),
        ("x + 1", 0, "this is a number; compare it with another"),
        ("x < ", 3, r"a number, a column or '\(' is needed, got the end; columns: frame, x, y, "),
        ("x < 1 &", 7, "got the end"),
        ("x < * 2", 4, r"got '\*'"),
        ("x < 1 y > 2", 6, "'y' cannot follow here; an operator such as '&'"),
        ("x < 1 and y > 2", 6, "'and' cannot follow here; write '&' for 'and'"),
        ("x < 1 OR y > 2", 6, r"write '\|' for 'or'"),
        ("(x < 1", 6, r"a '\)' is needed for the '\(' of character 1, got the end"),
        ("x < 1)", 5, r"'\)' cannot follow here; it closes no '\('"),
        ("intensty > 5", 0, "no column 'intensty'. Available: frame, x, y, intensity, "),
        ("x < cos(y)", 4, "no function 'cos'. Available: min, max, sum, mean, median, std, var, "),
        ("x & y < 1", 2, "'&' joins conditions such as 'x < 1000', not numbers"),
        ("!x | y < 1", 0, "'!' joins conditions"),
        ("(x < 1) + 2 > 1", 8, r"'\+' works on numbers, not on a condition; set brackets"),
        ("abs(x < 1) > 0", 0, "'abs' works on numbers"),
        ("x < (y < 1)", 2, "'<' works on numbers"),
        ("-(x < 1)", 0, "'-' works on numbers"),
        ("(x < 1)^2 < 1", 7, r"'\^' works on numbers"),
        ("1 < x < 2", 6, "compare two things at a time: 'a < b & b < c'"),
        ("x [px] < 2", 2, r"x has the unit '\[nm\]', not '\[px\]'; leave the unit out"),
        ("SNR [nm] < 2", 4, r"the unit '\[nm\]' of SNR is not known; leave the unit out"),
        ("x < 'a'", 4, "''' has no meaning here; remove it"),
        ("x < __import__(y)", 4, "no function '__import__'"),
        ("x > 1 & y < 1,5", 13, "decimals have a point here: write 1.5"),
        ("x < 1, y < 5", 5, "',' has no meaning here"),
        ("x.real < 1", 1, r"'\.' has no meaning here"),
        ("(" * 51 + "x", 50, "nested more than 50 deep"),
        ("!" * 51 + "(x<1)", 50, "nested more than 50 deep"),
        ("x < " + "-" * 51 + "1", 54, "nested more than 50 deep"),
        ("x < 1 " * 2000, 10_000, "longer than 10,000 characters"),
    ],
)
def test_a_fault_is_one_sentence_with_its_place(text: str, position: int, sentence: str) -> None:
    with pytest.raises(FilterError, match=sentence) as caught:
        Filter(text, TABLE.names)
    assert caught.value.position == position
    assert str(caught.value).startswith(f"Filter, character {position + 1}: ")


def test_a_long_filter_has_an_end() -> None:
    assert kept(" & ".join(["x > -100"] * 201)) == list(range(N))
    with pytest.raises(FilterError, match="more than 200 operations; filter twice"):
        kept(" & ".join(["x > -100"] * 202))
    nested = "(" * 49 + "x" + "+ 1 - 1)" * 49
    assert kept(f"{nested} < 3 & 1 < 2") == kept("x < 3")


def test_ten_million_rows_take_seconds() -> None:
    n = 500_000
    table = Localizations(
        frame=np.zeros(n), x_nm=np.arange(n), y_nm=np.arange(n), photons=np.arange(n)
    )
    condition = Filter("x < 30 & (intensity > 500 | frame <= 100)", table.names)
    begin = time.perf_counter()
    assert condition.mask(table).sum() == 30
    assert n / (time.perf_counter() - begin) > 2e6  # 6e7 on an idle core
