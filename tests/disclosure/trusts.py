"""Random small trusts as the marts would hold them, and an attacker who knows every sum but only what is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product

import numpy as np
import pandas as pd
from scipy.optimize import linprog
from scipy.sparse import csr_matrix

from quality.disclosure import GAP_KEY, MEASURE_VALUE_KEY, Marts

YEAR = "2024/25"
RATIOS = {"attendance_rate": "attended", "unauthorised_absence_rate": "unauthorised"}
PROPORTIONS = {"persistent_absence_rate": 10, "severe_absence_rate": 50}
DIMENSIONS = {"disadvantage": "fsm6cla@census", "sex": "sex@census", "nc_year": "nc_year@census"}
TERMS = ["AUT", "SPR"]
SCHOOLS = {1: 27, 2: 30, 3: 23, 5: 10, 10: 7, 30: 3}  # how often a random trust has so many
SESSIONS_OF_A_WEEK, SHARES_OF_WEEKS = [10, 8, 5], [0.9, 0.07, 0.03]

Cell = tuple[str, str, str, str, str]  # period, level, unit_code, group_dimension, group_value
Sum = tuple[Cell, list[Cell]]


def random_trust(
    seed: int, most_schools: int = 5, movers: float = 0.0, weeks: int = 0, half_terms: bool = False
) -> Marts:
    """One to thirty schools of two trusts and two authorities: skewed and whole groups, joiners and leavers.

    movers: share of the pupils who go to another school after the first term: one pupil of the year, two enrolments.
    weeks: of each term, with rows for all pupils; a term has then no more sessions than its weeks have. half_terms: of
    the weeks, with rows for all pupils; the year stands under the name of six half-terms as well.
    """
    rng = np.random.default_rng(seed)
    sizes = {size: weight for size, weight in SCHOOLS.items() if size <= most_schools}
    n_schools = int(rng.choice(list(sizes), p=np.array(list(sizes.values())) / sum(sizes.values())))
    schools = pd.DataFrame(
        {
            "school_key": [f"1000{i:02d}" for i in range(n_schools)],
            "urn": [f"2000{i:02d}" for i in range(n_schools)],
            "trust": [str(rng.choice(["T1", "T2"])) for _ in range(n_schools)],
            "la": [str(rng.choice(["301", "302"])) for _ in range(n_schools)],
        }
    )
    size = np.maximum(rng.lognormal(3.2, 0.9, n_schools).astype(int), 1)
    school = np.repeat(np.arange(n_schools), size)
    n = len(school)
    poor = rng.random(n) < rng.beta(1, 3, n_schools)[school]
    girls = rng.random(n) < rng.choice([0.0, 0.5, 0.5, 0.95], n_schools)[school]
    pupils = pd.DataFrame(
        {
            "pupil": np.arange(n),
            "disadvantage": np.where(poor, "disadvantaged", "not_disadvantaged"),
            "sex": np.where(girls, "F", "M"),
            "nc_year": rng.choice(["7", "8", "9"], n, p=[0.5, 0.4, 0.1]),
        }
    )
    rate = rng.beta(0.8, 10, n)
    stay = rng.choice(3, n, p=[0.9, 0.06, 0.04])
    rows = []
    for term in TERMS:
        here = (stay == 0) | (stay == TERMS.index(term) + 1)
        at = pd.concat([pupils, schools.iloc[school].reset_index(drop=True)], axis=1)
        rows += [
            at.assign(period=period, part_of=term, half=_half(term, place, weeks), **_sessions(rng, here, rate, most))
            for place, (period, most) in enumerate(_parts(term, weeks))
        ]
        school = np.where(rng.random(n) < movers, rng.integers(0, n_schools, n), school)
    parts = pd.concat(rows, ignore_index=True).query("possible > 0")
    keys, sessions = [*pupils.columns, *schools.columns], ["possible", "absent", "unauthorised"]
    terms = parts.groupby([*keys, "part_of"], as_index=False)[sessions].sum().rename(columns={"part_of": "period"})
    year = terms.groupby(keys, as_index=False)[sessions].sum().assign(period="YTD")
    stays = [terms, year, parts.drop(columns=["part_of", "half"])] if weeks else [terms, year]
    if half_terms:
        of_half = parts.groupby([*keys, "half"], as_index=False)[sessions].sum().rename(columns={"half": "period"})
        stays += [of_half, year.assign(period="Y6")]
    return _marts(schools, pd.concat(stays, ignore_index=True))


def _half(term: str, place: int, weeks: int) -> str:
    return f"HT{2 * TERMS.index(term) + (1 if 2 * place < weeks else 2)}"


def _parts(term: str, weeks: int) -> list[tuple[str, int]]:
    """What the sessions of a term are drawn by, and the most of it: its weeks, or the term as one."""
    first = 36 + weeks * TERMS.index(term)
    return [(f"W2024-{first + week}", SESSIONS_OF_A_WEEK[0]) for week in range(weeks)] or [(term, 140)]


def _sessions(rng: np.random.Generator, here: np.ndarray, rate: np.ndarray, most: int) -> dict[str, np.ndarray]:
    of_week = rng.choice(SESSIONS_OF_A_WEEK, len(here), p=SHARES_OF_WEEKS)
    possible = np.where(here, of_week if most == SESSIONS_OF_A_WEEK[0] else rng.integers(60, most, len(here)), 0)
    absent = rng.binomial(possible, rate)
    return {"possible": possible, "absent": absent, "unauthorised": rng.binomial(absent, 0.3)}


def periods_of(periods: Iterable[str]) -> pd.DataFrame:
    """How the periods of a random trust nest: terms, half-terms and weeks in the year, the shorter in the longer."""
    there = set(periods)
    weeks = sorted({period for period in there if period.startswith("W")})
    halves = sorted({period for period in there if period.startswith("HT")})
    nested = [(whole, part) for whole in ("YTD", "Y6") if whole in there for part in [*TERMS, *halves, *weeks]]
    nested += [(TERMS[2 * place // len(weeks)], week) for place, week in enumerate(weeks)]
    nested += [(TERMS[place // 2], half) for place, half in enumerate(halves)]
    nested += [(halves[4 * place // len(weeks)], week) for place, week in enumerate(weeks) if halves]
    return pd.DataFrame(nested, columns=["whole", "part"]).assign(academic_year=YEAR)


def _marts(schools: pd.DataFrame, stays: pd.DataFrame) -> Marts:
    stays = stays.assign(
        attended=stays["possible"] - stays["absent"],
        authorised=stays["absent"] - stays["unauthorised"],
        **{measure: stays["absent"] * 100 >= percent * stays["possible"] for measure, percent in PROPORTIONS.items()},
        all="all",
    )
    frames = []
    for (level, unit), dimension in product(
        [("school", "urn"), ("trust", "trust"), ("la", "la")], ["all", *DIMENSIONS]
    ):
        # Weeks and half-terms have rows of all pupils alone.
        those = stays if dimension == "all" else stays[~stays["period"].str.match("W|HT")]
        grouped = those.groupby(["period", unit, dimension])
        for measure in (*RATIOS, *PROPORTIONS):
            ratio = measure in RATIOS
            cells = pd.DataFrame(
                {
                    "n": grouped["pupil"].nunique(),
                    "numerator": grouped[RATIOS[measure] if ratio else measure].sum().astype(float),
                    "denominator": (grouped["possible"].sum() if ratio else grouped.size()).astype(float),
                }
            ).reset_index()
            frames.append(
                cells.rename(columns={unit: "unit_code", dimension: "group_value"}).assign(
                    academic_year=YEAR,
                    level=level,
                    measure_id=measure,
                    definition_version=1,
                    group_definition=DIMENSIONS.get(dimension, "all"),
                    group_dimension=dimension,
                )
            )
    values = pd.concat(frames, ignore_index=True)[[*MEASURE_VALUE_KEY, "n", "numerator", "denominator"]]
    sexes = values[values["group_dimension"].eq("sex")]
    key = [column for column in MEASURE_VALUE_KEY if column != "group_value"]
    gap = sexes[sexes["group_value"].eq("M")].merge(
        sexes[sexes["group_value"].eq("F")], on=key, suffixes=("", "_comparator")
    )
    gap = gap.assign(comparator="F", n_group=gap["n"], n_comparator=gap["n_comparator"])
    progress = pd.DataFrame(columns=["academic_year", "measure_id", "school_key", "urn", "n"])
    model = pd.DataFrame(columns=["academic_year", "measure_id", "method", "n_pupils"])
    gap = gap[[*GAP_KEY, "n_group", "n_comparator"]]
    renamed = pd.DataFrame({"academic_year": YEAR, "period": ["Y6"], "also": ["YTD"]})
    return Marts(
        values,
        gap,
        progress,
        model,
        schools,
        periods_of(stays["period"]),
        renamed[renamed["period"].isin(stays["period"])],
    )


def row_key(row: pd.Series, key: list[str]) -> str:
    return "|".join(str(row[column]) for column in key)


def all_sums(cells: Iterable[Cell], schools: pd.DataFrame, with_periods: bool) -> list[Sum]:
    """Every sum among the cells, written out afresh and without the code under test."""
    present = set(cells)
    membership = {school["urn"]: school for school in schools.to_dict("records")}
    parts: dict[tuple[str, Cell, str], list[Cell]] = {}
    for cell in sorted(present):
        period, level, unit, dimension, value = cell
        if dimension != "all":
            parts.setdefault(("groups", (period, level, unit, "all", "all"), dimension), []).append(cell)
        if level == "school":
            school = membership[unit]
            for parent in ("trust", "la"):
                total = (period, parent, school[parent], dimension, value)
                parts.setdefault(("schools", total, ""), []).append(cell)
        if with_periods and period in TERMS:
            parts.setdefault(("terms", ("YTD", level, unit, dimension, value), ""), []).append(cell)
        if with_periods and period.startswith("W"):
            parts.setdefault(("weeks", ("YTD", level, unit, dimension, value), ""), []).append(cell)
    return [(total, cells_of) for (_, total, _), cells_of in parts.items() if total in present]


def solved(
    amount: dict[Cell, float], shown: set[Cell], sums: list[Sum], upper: Callable[[Cell], float | None]
) -> set[Cell]:
    """The hidden cells whose amount, at least 0 and at most `upper`, follows exactly from what is shown."""
    hidden = sorted(set(amount) - shown)
    index = {cell: i for i, cell in enumerate(hidden)}
    entries: list[tuple[int, int, float]] = []
    right: list[float] = []
    for total, parts in sums:
        row: dict[int, float] = {}
        known = 0.0
        for cell, sign in [(total, 1.0), *((part, -1.0) for part in parts)]:
            if cell in index:
                row[index[cell]] = sign
            else:
                known -= sign * amount[cell]
        if row:
            entries.extend((len(right), column, sign) for column, sign in row.items())
            right.append(known)
    if not hidden:
        return set()
    truth = np.array([amount[cell] for cell in hidden])
    bounds = [(0.0, upper(cell)) for cell in hidden]
    rows, columns, signs = zip(*entries, strict=True) if entries else ((), (), ())
    matrix = csr_matrix((signs, (rows, columns)), shape=(len(right), len(hidden)))

    def extreme(objective: np.ndarray) -> np.ndarray:
        result = linprog(
            objective,
            A_eq=matrix if right else None,
            b_eq=np.array(right) if right else None,
            bounds=[(low, 1e6 if high is None else high) for low, high in bounds],
            method="highs",
        )
        assert result.status == 0, result.message
        return np.asarray(result.x)

    suspects = np.ones(len(hidden), dtype=bool)
    rng = np.random.default_rng(0)
    for _ in range(6):
        objective = np.where(suspects, rng.normal(size=len(hidden)), 0.0)
        suspects &= np.abs(extreme(objective) - truth) < 1e-6
        if not suspects.any():
            return set()
    exact = set()
    for i in np.flatnonzero(suspects):
        unit = np.zeros(len(hidden))
        unit[i] = 1.0
        if extreme(-unit)[i] - extreme(unit)[i] < 1e-6:
            exact.add(hidden[i])
    return exact


def breaches(marts: Marts, pattern: pd.DataFrame) -> list[str]:
    """What an attacker gets for certain: hidden counts of pupils, sessions, numerators neither none nor all."""
    hidden_keys = set(pattern.loc[pattern["table_name"].eq("measure_value"), "row_key"])
    values = marts.measure_value
    columns = ["period", "level", "unit_code", "group_dimension", "group_value"]
    values = values.assign(
        cell=pd.Series(list(values[columns].itertuples(index=False, name=None)), index=values.index, dtype=object),
        hidden=values[MEASURE_VALUE_KEY].astype(str).agg("|".join, axis=1).isin(hidden_keys),
    )
    cells = sorted(set(values["cell"]))
    over_units, over_all = all_sums(cells, marts.schools, False), all_sums(cells, marts.schools, True)
    n = dict(zip(values["cell"], values["n"].astype(float), strict=True))
    n_shown = set(values.loc[~values["hidden"], "cell"])
    # Every measure of attendance counts the same pupils: what one row hides, another must not tell.
    secret = set(values.loc[values["hidden"] & values["measure_id"].isin(list(RATIOS)), "cell"])
    found = [f"n of {cell} in another row" for cell in secret & n_shown]
    found += [f"n of {cell}" for cell in solved(n, n_shown, over_units, lambda cell: None) if n[cell] > 0]
    for measure, rows in values.groupby("measure_id"):
        shown = set(rows.loc[~rows["hidden"], "cell"])
        numerator = dict(zip(rows["cell"], rows["numerator"], strict=True))
        denominator = dict(zip(rows["cell"], rows["denominator"], strict=True))
        if measure == "attendance_rate":
            found += [f"sessions of {cell}" for cell in solved(denominator, shown, over_all, lambda cell: None)]
        if measure in RATIOS:
            known, sums = shown, over_all
        else:
            known, sums = n_shown, over_units
        limits = {cell: denominator[cell] for cell in known if cell in denominator}
        for cell in solved(numerator, shown, sums, limits.get):
            if 0 < numerator[cell] < denominator[cell]:
                found.append(f"numerator of {measure} of {cell}")
    return found
