"""Expectations on the exports: nothing hidden is shown, nothing shown differs from its mart, nobody can be named."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.registry import Registry
from quality.rules import Rows, RowsWhere, Rule, Suite, Unique, literal
from quality.suites.coverage import UNIT_COVERAGE_KEY, told_coverage_rules
from quality.suites.marts import FIGURE_KEY, GAP_KEY, PROGRESS_SCHOOL_KEY, unknown_status

TIERS = ("public", "leaders")


@dataclass(frozen=True)
class FigureTable:
    """An exported table whose rows may be hidden: its key, figures, main figure, counts of pupils and school.

    `level` is SQL: what a row of the table stands for, a column of it or a word.
    """

    name: str
    key: tuple[str, ...]
    figures: tuple[str, ...]
    main_figure: str
    counts: tuple[str, ...]
    school: str | None
    level: str = "level"


FIGURE_TABLES = (
    FigureTable(
        "measure_value",
        FIGURE_KEY,
        ("n", "numerator", "denominator", "value", "ci_low", "ci_high", "interval_method", "coverage"),
        "value",
        ("n",),
        "unit_code",
    ),
    FigureTable(
        "gap",
        GAP_KEY,
        (
            "n_group",
            "n_comparator",
            "value_group",
            "value_comparator",
            "gap",
            "ci_low",
            "ci_high",
            "effect_size",
            "within_school",
            "between_school",
            "undecomposed",
            "placebo_share",
            "interval_method",
            "coverage",
        ),
        "gap",
        ("n_group", "n_comparator"),
        "unit_code",
    ),
    FigureTable(
        "progress_school",
        PROGRESS_SCHOOL_KEY,
        (
            "n",
            "raw_mean",
            "raw_ci_low",
            "raw_ci_high",
            "shrunken",
            "shrunken_se",
            "shrunken_ci_low",
            "shrunken_ci_high",
            "reliability",
            "probability_above",
            "dfe_band",
            "coverage",
        ),
        "raw_mean",
        ("n",),
        "school_key",
        "'school'",
    ),
    FigureTable(
        "progress_model",
        ("academic_year", "measure_id", "method"),
        ("n_pupils", "n_schools", "coefficients", "var_school", "var_pupil", "icc", "deviance"),
        "deviance",
        ("n_pupils",),
        None,
        "'model'",
    ),
)

# The key of each exported table; the public tier lacks the last two.
TABLE_KEYS = {
    "dim_school": ("school_key",),
    "measure": ("measure_id", "definition_version"),
    "measure_value": FIGURE_KEY,
    "gap": GAP_KEY,
    "progress_school": PROGRESS_SCHOOL_KEY,
    "progress_model": ("academic_year", "measure_id", "method"),
    "coverage": ("academic_year", "period", "feed", "school_key"),
    "disclosure_loss": ("academic_year", "table_name", "level"),
    "unit_coverage": UNIT_COVERAGE_KEY,
    "published_comparator": ("academic_year", "period", "level", "unit_code", "measure_id", "comparator"),
    "data_quality_issue": ("issue_id",),
    "delivery": ("delivery_id",),
}
TIER_TABLES = {"public": tuple(TABLE_KEYS)[:-2], "leaders": tuple(TABLE_KEYS)}

IDENTITY_COLUMNS = (
    "upn",
    "former_upn",
    "temporary_upn",
    "uln",
    "mis_id",
    "surname",
    "forename",
    "middle_names",
    "preferred_name",
    "full_name",
    "dob",
    "date_of_birth",
    "address",
    "postcode",
)
PUPIL_COLUMNS = ("pupil_key", "pupil_ref", "enrolment_key", "ref_upn", "ref_former_upn", "ref_mis")
# A UPN: a letter, eleven digits, a digit or letter (DfE, Unique pupil numbers: guide).
UPN_PATTERN = '"[A-Za-z]' + "[0-9]" * 11 + '[0-9A-Za-z]"'


def row_key_sql(key: tuple[str, ...], alias: str = "") -> str:
    """The key of a row as `disclosure.pattern` writes it: the key columns joined by `|`."""
    prefix = f"{alias}." if alias else ""
    parts = (f"coalesce(cast({prefix}{column} as varchar), '')" for column in key)
    return "concat(" + ", '|', ".join(parts) + ")"


def _hidden_rules(number: int, tier: str, table: FigureTable, registry: Registry) -> list[Rule]:
    exported, mart = f"exports_{tier}.{table.name}", f"{'public_basis' if tier == 'public' else 'marts'}.{table.name}"
    shown = " or ".join(f"{figure} is not null" for figure in table.figures)
    minimum = int(registry.data["disclosure"]["minimum_pupils"][tier])
    few = " or ".join(f"{count} between 1 and {minimum - 1}" for count in table.counts)
    columns = ", ".join(f"e.{column}" for column in table.key)
    same_key = " and ".join(f"m.{column} = e.{column}" for column in table.key)
    changed = " or ".join(
        f"(e.{figure} is not null and e.{figure} is distinct from m.{figure})" for figure in table.figures
    )
    hidden = (
        f"(select p.row_key from disclosure.pattern as p where p.tier = '{tier}' and p.table_name = '{table.name}' "
        "and p.row_key is not null)"
    )
    ids = (f"QX-{number + step:03d}" for step in range(10))
    return [
        Rule(
            next(ids),
            exported,
            "A row that disclosure control hides shows no figure.",
            RowsWhere(f"({shown}) and {row_key_sql(table.key)} in {hidden}"),
            table.key,
            table.school,
        ),
        Rule(
            next(ids),
            exported,
            "A row with status c shows no figure.",
            RowsWhere(f"status = 'c' and ({shown})"),
            table.key,
            table.school,
        ),
        Rule(
            next(ids),
            exported,
            "A row that disclosure control hides has status c.",
            RowsWhere(f"status is distinct from 'c' and {row_key_sql(table.key)} in {hidden}"),
            table.key,
            table.school,
        ),
        Rule(
            next(ids),
            exported,
            f"No figure rests on fewer pupils than the {tier} tier may show.",
            RowsWhere(few),
            table.key,
            table.school,
        ),
        Rule(
            next(ids),
            exported,
            "Every figure shown is the mart's own.",
            Rows(f"select {columns} from judged as e left join {mart} as m on {same_key} where {changed}"),
            table.key,
        ),
        Rule(
            next(ids),
            exported,
            "Every row of the mart is exported, with its figures or with its status.",
            Rows(f"select {columns} from {mart} as e left join judged as m on {same_key} where m.status is null"),
            table.key,
        ),
        Rule(
            next(ids),
            exported,
            "Every row that disclosure control hides is a row of the export, so that no hidden row is missed by a "
            "key written differently.",
            Rows(
                f"select h.row_key from {hidden} as h left join (select {row_key_sql(table.key)} as row_key from "
                f"judged) as e "
                "on e.row_key = h.row_key where e.row_key is null"
            ),
            ("row_key",),
        ),
        Rule(next(ids), exported, "A row of the mart is exported once.", Unique(table.key), table.key, table.school),
        Rule(
            next(ids),
            exported,
            "A status is one that people are told the meaning of.",
            RowsWhere(unknown_status()),
            table.key,
            table.school,
        ),
        Rule(
            next(ids),
            exported,
            "A figure that is ok has a value.",
            RowsWhere(f"status = 'ok' and {table.main_figure} is null"),
            table.key,
            table.school,
        ),
    ]


def _hidden_alone_rules(tier: str) -> list[Rule]:
    """Coverage that would tell who is not counted is hidden, and the rest of its row is not."""
    rules = []
    for rule_id, table in zip(("QX-071", "QX-072", "QX-073"), FIGURE_TABLES[:3], strict=True):
        mart = f"{'public_basis' if tier == 'public' else 'marts'}.{table.name}"
        hidden = (
            f"select row_key from disclosure.pattern where tier = '{tier}' and table_name = '{table.name}.coverage'"
        )
        columns = ", ".join(f"e.{column}" for column in table.key)
        same_key = " and ".join(f"m.{column} = e.{column}" for column in table.key)
        is_hidden = f"{row_key_sql(table.key, 'e')} in ({hidden})"
        rules.append(
            Rule(
                rule_id,
                f"exports_{tier}.{table.name}",
                "The mart's coverage stands beside a figure, unless disclosure control hides it: then it does not.",
                Rows(
                    f"select {columns} from judged as e left join {mart} as m on {same_key} "
                    f"where (e.coverage is not null and {is_hidden}) or (e.coverage is null "
                    f"and m.coverage is not null and e.status = 'ok' and not {is_hidden})"
                ),
                table.key,
                table.school,
            )
        )
    return rules


def _small_numerator(table: str, registry: Registry) -> Rule:
    """A share of one or two pupils, or of all but one or two, names them to those who know the group."""
    least = int(registry.data["disclosure"]["minimum_numerator"])
    shares = ", ".join(
        literal(measure["measure_id"]) for measure in registry.measures if measure["kind"] == "proportion"
    )
    small = f"numerator between 1 and {least - 1} or denominator - numerator between 1 and {least - 1}"
    return Rule(
        "QX-003",
        table,
        f"No share of pupils is shown whose numerator or complement is under {least}.",
        RowsWhere(f"measure_id in ({shares or chr(39) * 2}) and value is not null and ({small})"),
        FIGURE_KEY,
        "unit_code",
    )


def _loss_rules(tier: str, registry: Registry) -> list[Rule]:
    """What readers are told is hidden is what is hidden, by the exports themselves."""
    table, key = f"exports_{tier}.disclosure_loss", ("academic_year", "table_name", "level")
    columns = ", ".join(f"coalesce(l.{column}, e.{column}) as {column}" for column in key)
    same_key = " and ".join(f"l.{column} = e.{column}" for column in key)
    exported = " union all ".join(
        f"select academic_year, '{figures.name}' as table_name, {figures.level} as level, count(*) as cells, "
        f"count(*) filter (where status = 'c') as hidden from exports_{tier}.{figures.name} group by all"
        for figures in FIGURE_TABLES
    )
    limit = float(registry.data["disclosure"]["report_school_cells_hidden_above_percent"])
    over = f"reason = 'any' and level = 'school' and '{tier}' = 'public' and 100.0 * hidden / cells > {limit!r}"
    return [
        Rule(
            "QX-004",
            table,
            "For every table, year and level, as many rows are said to be hidden as have status c, of as many as there "
            "are.",
            Rows(
                f"select {columns} from judged as l full join ({exported}) as e "
                f"on {same_key} where (l.cells, l.hidden) is distinct from (e.cells, e.hidden)"
            ),
            key,
        ),
        Rule(
            "QX-005",
            table,
            "How much is hidden is said without the reasons; its percentage and the remark on it follow from counts.",
            Rows(
                f"select {', '.join(key)} from judged group by {', '.join(key)} "
                "having list(reason) is distinct from ['any'] "
                "or bool_or(percent_hidden is distinct from round(100.0 * hidden / cells, 2)) "
                f"or bool_or(is_over_limit is distinct from ({over}))"
            ),
            key,
        ),
    ]


def _tier_rules(tier: str, registry: Registry) -> list[Rule]:
    rules = [
        _small_numerator(f"exports_{tier}.measure_value", registry),
        *_loss_rules(tier, registry),
        *told_coverage_rules(tier),
        *_hidden_alone_rules(tier),
    ]
    for position, table in enumerate(FIGURE_TABLES):
        rules += _hidden_rules(10 + 10 * position, tier, table, registry)
    for position, name in enumerate(TIER_TABLES[tier]):
        rules.append(
            Rule(
                f"QX-{50 + position:03d}",
                f"exports_{tier}.{name}",
                "No cell looks like a unique pupil number.",
                Rows(
                    f"select {', '.join(TABLE_KEYS[name])} from judged as j where regexp_matches(cast(to_json(j) as "
                    f"varchar), {literal(UPN_PATTERN)})"
                ),
                TABLE_KEYS[name],
            )
        )
    return rules


def _column_rules() -> list[Rule]:
    table, key = "information_schema.columns", ("table_schema", "table_name", "column_name")
    identity = ", ".join(literal(column) for column in IDENTITY_COLUMNS)
    pupils = ", ".join(literal(column) for column in PUPIL_COLUMNS)
    return [
        Rule(
            "QX-001",
            table,
            "Names, dates of birth and pupil numbers stand in no mart, aggregate, fit or export.",
            RowsWhere(
                "table_catalog = current_database() and lower(column_name) in "
                f"({identity}) and (table_schema in ('marts', 'aggregates', 'fits', 'disclosure', 'dq') or "
                f"table_schema like 'exports%')"
            ),
            key,
        ),
        Rule(
            "QX-002",
            table,
            "No export has a row for one pupil.",
            RowsWhere(
                f"table_catalog = current_database() and lower(column_name) in ({pupils}) and table_schema like "
                f"'exports%'"
            ),
            key,
        ),
    ]


def exports_suite(registry: Registry) -> Suite:
    """The suite of schemas `exports_public` and `exports_leaders`; a rule has the same id in both tiers."""
    return Suite("exports", (*_column_rules(), *(rule for tier in TIERS for rule in _tier_rules(tier, registry))))
