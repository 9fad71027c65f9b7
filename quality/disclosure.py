"""Which cells of the published tables are hidden, per tier, so that none can be solved from the others.

Primary: a count of pupils under the tier's minimum, or a numerator or complement of one or two. Secondary: cells that
keep a primary one from being worked out over the sums that tie the tables together: groups within all pupils, schools
within trust and local authority, periods within the year, rows shared between tables. Derived: gaps of a hidden cell.

Source of the rules: Hundepool et al. (2012), Statistical Disclosure Control, ch. 4 (cell suppression).
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import lsmr

from ingest.registry import Registry

Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

FEW_PUPILS = "DC-001"
SMALL_NUMERATOR = "DC-002"
COMPLEMENTARY = "DC-003"
DERIVED = "DC-004"

MEASURE_VALUE_KEY = [
    "academic_year",
    "period",
    "level",
    "unit_code",
    "measure_id",
    "definition_version",
    "group_definition",
    "group_dimension",
    "group_value",
]
GAP_KEY = [*MEASURE_VALUE_KEY, "comparator"]
PROGRESS_SCHOOL_KEY = ["academic_year", "measure_id", "school_key"]
PROGRESS_MODEL_KEY = ["academic_year", "measure_id", "method"]
PATTERN_COLUMNS = ["tier", "table_name", "row_key", "status", "reason", "rule_id"]

_CELL = ["table_name", "period", "level", "unit_code", "group_definition", "group_dimension", "group_value"]
_CROSSING = "×"
_YEAR_TO_DATE = "YTD"
_DETERMINED = 1e-7  # share of a random move along the solutions below which a cell does not move at all
_RESIDUAL = 1e-10


@dataclass(frozen=True)
class Marts:
    """What is published together, as frames with the columns of the marts.

    measure_value, gap, progress_school, progress_model: the marts. schools: school_key, urn, and the unit codes trust
    and la (or None). periods: academic_year, whole, part: the parts of a whole add up to it.
    """

    measure_value: pd.DataFrame
    gap: pd.DataFrame
    progress_school: pd.DataFrame
    progress_model: pd.DataFrame
    schools: pd.DataFrame
    periods: pd.DataFrame


@dataclass(frozen=True)
class _Lines:
    """Additive lines: 0 = total - sum of parts. One entry per cell of a line, by line and cost of hiding."""

    line: Integers
    cell: Integers
    sign: Floats
    cost: Integers
    count: int
    counts_pupils: Bools  # per line: pupils add up along it (they do not over periods)


def decide_pattern(marts: Marts, registry: Registry, tier: str) -> pd.DataFrame:
    """The hidden rows of a tier, in key order: columns tier, table_name, row_key, status, reason, rule_id.

    What a less strict tier hides is hidden here too: else a reader of both could solve one by the other.
    Raises `ValueError` for a tier that the registry lacks or a unit whose schools are not known.
    """
    minimums: dict[str, int] = registry.data["disclosure"]["minimum_pupils"]
    if tier not in minimums:
        raise ValueError(
            f"Tier '{tier}' has no disclosure.minimum_pupils in the registry; it knows {', '.join(minimums)}."
        )
    chain = sorted(
        (name for name in minimums if minimums[name] <= minimums[tier]), key=lambda name: (minimums[name], name)
    )
    values = _measure_values(marts, registry)
    families = _families(values, marts)
    state = _State(np.full(len(values), "", dtype=object), np.zeros(len(values), dtype=bool))
    for name in chain:
        state = _decide_tier(values, families, registry, name, state)
    return _pattern(values, state.rule, marts.gap, registry, tier)


def write_pattern(connection: duckdb.DuckDBPyConnection, registry: Registry) -> dict[str, int]:
    """Replaces `disclosure.pattern` from the marts; returns the number of hidden rows per tier.

    Raises `ValueError` as `decide_pattern` does.
    """
    marts = read_marts(connection)
    patterns = {tier: decide_pattern(marts, registry, tier) for tier in registry.data["disclosure"]["minimum_pupils"]}
    connection.execute("create schema if not exists disclosure")
    columns = ", ".join(f"{name} varchar" for name in PATTERN_COLUMNS)
    connection.execute(f"create or replace table disclosure.pattern ({columns})")
    pattern = pd.concat(list(patterns.values()), ignore_index=True)
    if len(pattern):
        connection.register("pattern_rows", pattern)
        connection.execute(
            f"insert into disclosure.pattern select {', '.join(PATTERN_COLUMNS)} from pattern_rows order by all"
        )
        connection.unregister("pattern_rows")
    for tier, minimum in registry.data["disclosure"]["minimum_pupils"].items():
        _hide_counts_of_rows(connection, registry, tier, int(minimum))
    counted = "select tier, count(*) from disclosure.pattern group by tier"
    return dict.fromkeys(patterns, 0) | dict(connection.execute(counted).fetchall())


def _hide_counts_of_rows(connection: duckdb.DuckDBPyConnection, registry: Registry, tier: str, minimum: int) -> None:
    """Adds what says how many rows a school sent, where that would give its hidden number of pupils.

    A school's results expected and received, and the rows of its lists, are counts of its pupils; its expected
    sessions are the denominator of its attendance.
    """
    of_counts = [
        [measure["measure_id"], measure["source_model"]]
        for measure in registry.measures
        if measure["kind"] != "proportion"
    ]
    connection.execute(
        """
        create or replace temp table hidden_school as
        select distinct v.academic_year, v.period, s.school_key, s.laestab, m[2] = 'attendance' as is_attendance
        from marts.measure_value as v
        join disclosure.pattern as p on p.tier = $tier and p.table_name = 'measure_value' and p.row_key = concat_ws(
            '|', v.academic_year, v.period, v.level, v.unit_code, v.measure_id, v.definition_version,
            v.group_definition, v.group_dimension, v.group_value)
        join (select unnest($of_counts::varchar[][]) as m) as m on m[1] = v.measure_id
        join marts.dim_school as s on v.unit_code in (s.urn, s.school_key)
        where v.level = 'school' and v.group_dimension = 'all'
        """,
        {"tier": tier, "of_counts": of_counts},
    )
    connection.execute(
        """
        insert into disclosure.pattern (tier, table_name, row_key, status, reason, rule_id)
        select $tier, 'coverage', concat_ws('|', c.academic_year, c.period, c.feed, c.school_key), 'c',
            case when few then 'primary' else 'derived' end, case when few then $few_rule else $derived_rule end
        from (
            select *, coalesce(feed = 'assessment_results'
                and (expected between 1 and $last_few or received between 1 and $last_few), false) as few
            from marts.coverage
        ) as c
        where few or exists (
            from hidden_school as h where h.school_key = c.school_key and h.academic_year = c.academic_year
                and ((c.feed = 'session_marks' and h.is_attendance and h.period = c.period)
                    or (c.feed = 'assessment_results' and not h.is_attendance)))
        order by all
        """,
        {"tier": tier, "last_few": minimum - 1, "few_rule": FEW_PUPILS, "derived_rule": DERIVED},
    )
    for table, key, school in (
        ("delivery", "delivery_id", "laestab"),
        ("data_quality_issue", "issue_id", "school_key"),
    ):
        connection.execute(
            f"""
            insert into disclosure.pattern (tier, table_name, row_key, status, reason, rule_id)
            select $tier, '{table}', {key}, 'c', 'derived', $rule
            from marts.{table} where {school} in (select {school} from hidden_school) order by all
            """,
            {"tier": tier, "rule": DERIVED},
        )
    connection.execute("drop table hidden_school")


def read_marts(connection: duckdb.DuckDBPyConnection) -> Marts:
    """The published tables of a warehouse, and how its schools and periods nest."""
    key = ", ".join(MEASURE_VALUE_KEY)
    columns = {row[0] for row in connection.execute("describe marts.dim_school").fetchall()}
    trust = "trust_code" if "trust_code" in columns else "trust_name"
    return Marts(
        measure_value=connection.execute(
            f"""
            select {key}, n, cast(numerator as double) as numerator, cast(denominator as double) as denominator
            from marts.measure_value order by all
            """
        ).df(),
        gap=connection.execute(f"select {key}, comparator, n_group, n_comparator from marts.gap order by all").df(),
        progress_school=connection.execute(
            "select academic_year, measure_id, school_key, urn, n from marts.progress_school order by all"
        ).df(),
        progress_model=connection.execute(
            "select academic_year, measure_id, method, n_pupils from marts.progress_model order by all"
        ).df(),
        schools=connection.execute(
            f"select school_key, urn, {trust} as trust, la_code as la from marts.dim_school order by all"
        ).df(),
        # A week belongs where its Monday lies; a whole is the sum of the terms, and of the weeks, that lie within it.
        periods=connection.execute(
            """
            with used as (select distinct academic_year, period from marts.measure_value),
            span as (
                select academic_year, period, start_date, end_date, is_term, false as is_week
                from staging.academic_period
                union all by name
                select academic_year, period, strptime(substr(period, 2) || '-1', '%G-%V-%u')::date as start_date,
                    start_date as end_date, false as is_term, true as is_week
                from used where period like 'W%'
            )
            select academic_year, whole.period as whole, part.period as part
            from span as whole
            join span as part using (academic_year)
            semi join used as w on w.academic_year = whole.academic_year and w.period = whole.period
            semi join used as p on p.academic_year = part.academic_year and p.period = part.period
            where not whole.is_week and (part.is_week or part.is_term) and whole.period <> part.period
              and part.start_date >= whole.start_date and part.end_date <= whole.end_date
            order by all
            """
        ).df(),
    )


def _measure_values(marts: Marts, registry: Registry) -> pd.DataFrame:
    """Every row that carries a count of pupils, of the three tables, as one frame in key order.

    A row of progress_school is a school's cell under a table name of its own, a progress_model the total of those.
    """
    values = marts.measure_value.assign(
        table_name="measure_value", row_key=lambda rows: _row_key(rows, MEASURE_VALUE_KEY)
    )
    progress = marts.progress_school.assign(
        table_name="progress_school",
        row_key=lambda rows: _row_key(rows, PROGRESS_SCHOOL_KEY),
        level="school",
        unit_code=lambda rows: rows["urn"].fillna(rows["school_key"]),
    )
    model = marts.progress_model.assign(
        table_name="progress_model",
        row_key=lambda rows: _row_key(rows, PROGRESS_MODEL_KEY),
        level="model",
        unit_code=lambda rows: rows["method"],
        n=lambda rows: rows["n_pupils"],
    )
    fitted = pd.concat([frame for frame in (progress, model) if len(frame)] or [progress])
    fitted = fitted.assign(
        period=_YEAR_TO_DATE,
        group_definition="all",
        group_dimension="all",
        group_value="all",
        numerator=np.nan,
        denominator=np.nan,
    )
    columns = ["table_name", "row_key", "academic_year", "measure_id", *_CELL[1:], "n", "numerator", "denominator"]
    rows = pd.concat([values[columns], fitted[columns]], ignore_index=True)
    rows = rows[rows["n"].notna()].sort_values(["table_name", "row_key"], kind="stable", ignore_index=True)
    text = [column for column in columns if column not in ("n", "numerator", "denominator")]
    rows[text] = rows[text].astype(str)
    rows["n"] = rows["n"].astype("int64")
    rows[["numerator", "denominator"]] = rows[["numerator", "denominator"]].astype("float64")
    measures = {measure["measure_id"]: measure for measure in registry.measures}
    unknown = set(rows["measure_id"]) - measures.keys()
    if unknown:
        raise ValueError(
            f"The marts hold measures that the registry lacks: {', '.join(sorted(unknown))}; rebuild them."
        )
    # Attendance measures count the same enrolments: a count hidden in one is hidden in all; other populations differ.
    rows["family"] = [
        "attendance" if measures[measure]["source_model"] == "attendance" else measure for measure in rows["measure_id"]
    ]
    rows["kind"] = [measures[measure]["kind"] for measure in rows["measure_id"]]
    return rows


@dataclass
class _State:
    """Per row of the values: the rule that hides it (empty for none), and whether its count is hidden."""

    rule: NDArray[np.object_]
    count_hidden: Bools


@dataclass(frozen=True)
class _Family:
    """Measures of one year that count the same pupils. rows: positions in the values; cell_of_row: the cell of each.

    n: pupils per cell. lines: all sums; over_units: those along which numerators of proportions add up too.
    """

    rows: Integers
    cell_of_row: Integers
    n: Floats
    lines: _Lines
    over_units: _Lines


def _families(values: pd.DataFrame, marts: Marts) -> list[_Family]:
    families = []
    for positions in values.groupby(["academic_year", "family"], sort=True).indices.values():
        rows = np.asarray(positions, dtype=np.int64)
        family = values.iloc[rows]
        grouped = family.groupby(_CELL, sort=True)
        cells = grouped.agg(n=("n", "max")).reset_index()
        parents = _unit_parents(cells, marts.schools)
        # Sessions of a term add up to those of the year; pupils and scores do not.
        of_year = marts.periods["academic_year"].eq(str(family["academic_year"].iloc[0]))
        adds_up = bool(family["kind"].eq("ratio").any())
        lines = _lines(cells, parents, marts.periods[of_year & adds_up])
        over_units = _lines(cells, parents, marts.periods.iloc[:0]) if adds_up else lines
        families.append(
            _Family(
                rows, np.asarray(grouped.ngroup(), dtype=np.int64), cells["n"].to_numpy(np.float64), lines, over_units
            )
        )
    return families


def _decide_tier(values: pd.DataFrame, families: list[_Family], registry: Registry, tier: str, state: _State) -> _State:
    """Adds to what a less strict tier hides what this one must hide besides."""
    minimum = {measure["measure_id"]: int(measure["minimum_n"][tier]) for measure in registry.measures}
    smallest = int(registry.data["disclosure"]["minimum_numerator"])
    threshold = values["measure_id"].map(minimum).to_numpy()
    n = values["n"].to_numpy()
    few = (n > 0) & (n < threshold)
    is_proportion = values["kind"].eq("proportion").to_numpy()
    numerator = values["numerator"].fillna(0).to_numpy()
    complement = values["denominator"].fillna(0).to_numpy() - numerator
    small = is_proportion & (_between(numerator, 1, smallest - 1) | _between(complement, 1, smallest - 1))
    rule = state.rule.copy()
    rule[small & (rule == "")] = SMALL_NUMERATOR
    rule[few] = FEW_PUPILS
    count_hidden = state.count_hidden | few
    for family in families:
        rows, cell_of_row = family.rows, family.cell_of_row
        # Counts of pupils: one decision for every measure of the family.
        hidden = np.zeros(len(family.n), dtype=bool)
        hidden[cell_of_row[count_hidden[rows]]] = True
        hidden = _protect(hidden, family.n > 0, [(family.n, float(threshold[rows].max()))], family.lines)
        count_hidden[rows] = hidden[cell_of_row]
        rule[rows] = np.where((rule[rows] == "") & count_hidden[rows], COMPLEMENTARY, rule[rows])

        # Numerators of proportions: each measure for itself, beside what its counts already hide.
        measures = values["measure_id"].to_numpy()[rows]
        for measure in sorted(set(measures[is_proportion[rows]])):
            mine, here = rows[measures == measure], cell_of_row[measures == measure]
            ones, others = np.zeros(len(family.n)), np.zeros(len(family.n))
            ones[here], others[here] = numerator[mine], complement[mine]
            hidden = np.zeros(len(family.n), dtype=bool)
            hidden[here] = rule[mine] != ""
            # A numerator of nothing or of everybody cannot move both ways, so it is no cover for another.
            amounts = [(ones, float(smallest)), (others, float(smallest))]
            hidden = _protect(hidden, (ones > 0) & (others > 0), amounts, family.over_units)
            rule[mine] = np.where((rule[mine] == "") & hidden[here], COMPLEMENTARY, rule[mine])
    return _State(rule, count_hidden)


def _protect(hidden: Bools, free: Bools, amounts: list[tuple[Floats, float]], lines: _Lines) -> Bools:
    """Hides more cells until no hidden free cell can be worked out; shape (cells) in and out.

    free: cells whose value could be more or less. amounts: along a line whose total is shown, the hidden parts of each
    come to none or to at least its threshold. First every line gets none or two hidden free cells; then, because lines
    that cross can still give a cell away together, cells fixed by the whole system get one more neighbour hidden.
    """
    hidden = hidden.copy()
    while True:
        secret = hidden & free
        in_line = secret[lines.cell]
        count = np.bincount(lines.line, in_line, lines.count)
        total_hidden = np.bincount(lines.line, in_line & (lines.sign > 0), lines.count) > 0
        open_line = count == 1
        for amount, threshold in amounts:
            parts = np.bincount(lines.line, np.where(in_line & (lines.sign < 0), amount[lines.cell], 0.0), lines.count)
            open_line |= lines.counts_pupils & ~total_hidden & (count > 0) & (parts < threshold)
        # Entries stand in order of cost within their line: the first that can be hidden is the cheapest.
        choice = np.flatnonzero(open_line[lines.line] & (free & ~hidden)[lines.cell])
        if len(choice):
            _, first = np.unique(lines.line[choice], return_index=True)
            hidden[lines.cell[choice[first]]] = True
            continue
        owner = np.full(len(hidden), -1, dtype=np.int64)
        fixed = np.flatnonzero(secret & _determined(secret, lines))
        owner[fixed] = fixed
        choice = np.zeros(0, dtype=np.int64)
        # It may lie beyond hidden ones: two trusts and an authority that share schools give the other authority.
        while len(fixed):
            line_owner = np.full(lines.count, -1, dtype=np.int64)
            np.maximum.at(line_owner, lines.line, owner[lines.cell])
            owners = line_owner[lines.line]
            choice = np.flatnonzero((owners >= 0) & (free & ~hidden)[lines.cell])
            if len(choice):
                break
            reached = owner.copy()
            through = hidden[lines.cell]
            np.maximum.at(reached, lines.cell[through], owners[through])
            if np.array_equal(reached >= 0, owner >= 0):
                break
            owner = reached
        if not len(choice):
            return hidden
        # One neighbour for each fixed cell, over all its lines.
        order = np.lexsort((lines.cost[choice], owners[choice]))
        _, first = np.unique(owners[choice][order], return_index=True)
        hidden[lines.cell[choice[order[first]]]] = True


def _determined(secret: Bools, lines: _Lines) -> Bools:
    """Which secret cells have one value only in the linear system of the lines, everything else being known.

    A random vector projected on the solutions of A x = 0 is zero exactly where no solution moves. Projection by LSMR
    (Fong and Saunders, 2011, SIAM Journal on Scientific Computing 33(5)); the vector is seeded: repeatable.
    """
    result = np.zeros(len(secret), dtype=bool)
    entries = np.flatnonzero(secret[lines.cell])
    if not len(entries):
        return result
    line, row = np.unique(lines.line[entries], return_inverse=True)
    cell, column = np.unique(lines.cell[entries], return_inverse=True)
    matrix = csr_matrix((lines.sign[entries], (row, column)), shape=(len(line), len(cell)))
    move = np.random.default_rng(len(cell)).uniform(1.0, 2.0, len(cell))
    for _ in range(5):
        solution = lsmr(matrix.T, move, atol=1e-14, btol=1e-14, conlim=0.0, maxiter=20 * (len(line) + 50))[0]
        move = move - matrix.T @ solution
        if np.abs(matrix @ move).max() <= _RESIDUAL:
            break
    else:
        raise ArithmeticError(
            "Disclosure control could not solve its system of sums; nothing may be published from it."
        )
    result[cell] = np.abs(move) <= _DETERMINED
    return result


def _unit_parents(cells: pd.DataFrame, schools: pd.DataFrame) -> pd.DataFrame:
    """unit_code of a school, level and code of a trust or authority it is in; a school goes by URN or by school key.

    Raises `ValueError` for a trust or authority none of whose schools is known: its sum could not be protected.
    """
    by_code = pd.concat(
        [
            schools.assign(unit_code=schools["urn"].astype(str)),
            schools.assign(unit_code=schools["school_key"].astype(str)),
        ]
    ).drop_duplicates(["unit_code"])
    parents = pd.concat(
        [
            by_code.loc[by_code[level].notna(), ["unit_code", level]]
            .rename(columns={level: "parent_code"})
            .assign(parent_level=level)
            for level in ("trust", "la")
        ]
    ).astype(str)
    units = cells.loc[cells["level"].isin(["trust", "la"]), ["level", "unit_code"]].drop_duplicates()
    known = set(zip(parents["parent_level"], parents["parent_code"], strict=True))
    orphans = sorted(set(zip(units["level"], units["unit_code"], strict=True)) - known)
    if orphans:
        level, code = orphans[0]
        raise ValueError(
            f"marts.dim_school has no school of {level} {code}, so its figures cannot be protected; rebuild it."
        )
    return parents


def _lines(cells: pd.DataFrame, parents: pd.DataFrame, periods: pd.DataFrame) -> _Lines:
    """Every sum among the cells of one year and family of measures."""
    cells = cells.assign(cell=np.arange(len(cells)))
    unit = ["table_name", "period", "level", "unit_code"]
    group = ["group_definition", "group_dimension", "group_value"]
    everybody = cells[cells["group_dimension"].eq("all")]
    groups = cells[cells["group_dimension"].ne("all")]
    tables = cells[cells["table_name"].ne("measure_value")]
    values = cells[cells["table_name"].eq("measure_value")]

    kinds: list[tuple[str, list[str], pd.DataFrame]] = []
    within_all = groups.merge(everybody[[*unit, "cell"]], on=unit, suffixes=("", "_total"))
    kinds.append(("groups", ["group_definition", "group_dimension"], within_all))
    crossed = groups[groups["group_dimension"].str.contains(_CROSSING, regex=False)]
    for side in (0, 1):
        if len(crossed):
            margin = crossed.assign(
                group_dimension=crossed["group_dimension"].str.split(_CROSSING).str[side],
                group_value=crossed["group_value"].str.split(_CROSSING).str[side],
                crossing=crossed["group_dimension"],
            )
            on = [*unit, "group_dimension", "group_value"]
            kinds.append(("margin", ["crossing"], margin.merge(groups[[*on, "cell"]], on=on, suffixes=("", "_total"))))
    schools = values[values["level"].eq("school")].merge(parents, on="unit_code")
    above = values.rename(columns={"level": "parent_level", "unit_code": "parent_code"})
    on = ["period", *group, "parent_level", "parent_code"]
    kinds.append(("schools", [], schools.merge(above[[*on, "cell"]], on=on, suffixes=("", "_total"))))
    parts = values.merge(periods[["whole", "part"]], left_on="period", right_on="part")
    on = ["level", "unit_code", *group]
    wholes = values[[*on, "period", "cell"]].rename(columns={"period": "whole"})
    # A year is the sum of its terms and also of its weeks: two lines, not one.
    parts = parts.assign(is_week=parts["period"].str.startswith("W"))
    kinds.append(("periods", ["is_week"], parts.merge(wholes, on=[*on, "whole"], suffixes=("", "_total"))))
    # A school's row in progress_school is the school's cell itself; the model's number of pupils is their sum.
    progress = tables[tables["level"].eq("school")]
    same = progress.merge(
        values.loc[values["level"].eq("school"), ["unit_code", *group, "cell"]],
        on=["unit_code", *group],
        suffixes=("", "_total"),
    )
    kinds.append(("same", ["cell"], same))
    model = tables[tables["level"].eq("model")]
    kinds.append(("model", [], progress.merge(model[["cell"]], how="cross", suffixes=("", "_total"))))

    line_parts: list[Integers] = []
    cell_parts: list[Integers] = []
    sign_parts: list[Floats] = []
    pupils_parts: list[Bools] = []
    count = 0
    for kind, by, entries in kinds:
        if entries.empty:
            continue
        number = entries.groupby(["cell_total", *by], sort=True).ngroup().to_numpy(np.int64)
        totals = entries["cell_total"].groupby(number).first()
        lines = len(totals)
        line_parts += [np.asarray(number + count, dtype=np.int64), np.arange(count, count + lines, dtype=np.int64)]
        cell_parts += [entries["cell"].to_numpy(np.int64), totals.to_numpy(np.int64)]
        sign_parts += [np.full(len(entries), -1.0), np.full(lines, 1.0)]
        pupils_parts.append(np.full(lines, kind not in ("periods", "same")))
        count += lines
    if not count:
        nothing = np.zeros(0, dtype=np.int64)
        return _Lines(nothing, nothing, np.zeros(0), nothing, 0, np.zeros(0, dtype=bool))
    line, cell, sign = np.concatenate(line_parts), np.concatenate(cell_parts), np.concatenate(sign_parts)
    cost = _cost(cells)[cell]
    order = np.lexsort((cost, line))
    return _Lines(line[order], cell[order], sign[order], cost[order], count, np.concatenate(pupils_parts))


def _cost(cells: pd.DataFrame) -> Integers:
    """The rank of each cell by what its loss costs: totals after parts, then many pupils after few, then by key."""
    totals = (
        cells["group_dimension"].eq("all").astype(int)
        + cells["level"].ne("school").astype(int)
        + cells["level"].eq("model").astype(int)
        + ~cells["period"].str.startswith("W")
        + cells["period"].isin([_YEAR_TO_DATE, "Y5", "Y6"]).astype(int)
    )
    order = np.lexsort((np.arange(len(cells)), cells["n"].to_numpy(), totals.to_numpy()))
    rank = np.empty(len(cells), dtype=np.int64)
    rank[order] = np.arange(len(cells))
    return rank


def _pattern(
    values: pd.DataFrame, rule: NDArray[np.object_], gaps: pd.DataFrame, registry: Registry, tier: str
) -> pd.DataFrame:
    """The hidden rows, and the gaps that are functions of them or of too few pupils."""
    hidden = values.assign(rule_id=rule)
    hidden = hidden.loc[hidden["rule_id"].ne(""), ["table_name", "row_key", "rule_id"]]
    hidden = hidden.assign(reason=np.where(hidden["rule_id"].eq(COMPLEMENTARY), "secondary", "primary"))
    hidden_values = set(hidden.loc[hidden["table_name"].eq("measure_value"), "row_key"])
    minimum = {measure["measure_id"]: int(measure["minimum_n"][tier]) for measure in registry.measures}
    threshold = np.array([minimum[measure] for measure in gaps["measure_id"]], dtype=np.float64)
    sides = [
        _row_key(gaps, MEASURE_VALUE_KEY).isin(hidden_values),
        _row_key(gaps.assign(group_value=gaps["comparator"]), MEASURE_VALUE_KEY).isin(hidden_values),
        *(
            pd.Series(
                _between(pd.to_numeric(gaps[side]).to_numpy(np.float64, na_value=np.nan), 1, threshold - 1), gaps.index
            )
            for side in ("n_group", "n_comparator")
        ),
    ]
    gone = np.logical_or.reduce([side.to_numpy(dtype=bool, na_value=False) for side in sides])
    derived = pd.DataFrame({"row_key": _row_key(gaps[gone], GAP_KEY)}).assign(
        table_name="gap", rule_id=DERIVED, reason="derived"
    )
    pattern = pd.concat([hidden, derived], ignore_index=True).assign(tier=tier, status="c")
    return pattern[PATTERN_COLUMNS].sort_values(["table_name", "row_key"], kind="stable", ignore_index=True)


def _row_key(rows: pd.DataFrame, key: list[str]) -> pd.Series[str]:
    """Key columns joined by `|` in the order of the table's grain."""
    joined = rows[key[0]].astype(str)
    for column in key[1:]:
        joined = joined + "|" + rows[column].astype(str)
    return joined


def _between(values: Floats, low: float, high: float | Floats) -> Bools:
    return np.asarray((values >= low) & (values <= high))
