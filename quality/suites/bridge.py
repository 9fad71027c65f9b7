"""Expectations on the bridges from our figures to other people's: what must add up, adds up exactly."""

from __future__ import annotations

from quality.rules import InSet, Rows, RowsWhere, Rule, Unique

TABLE = "marts.attendance_bridge"
_BRIDGE = ("academic_year", "level", "unit_code", "measure_id", "bridge_id")
KEY = (*_BRIDGE, "step")


def bridge_rules() -> list[Rule]:
    """The rules of the table by itself, for the suite of schema `marts`."""
    bridge = ", ".join(_BRIDGE)
    return [
        Rule("QM-200", TABLE, "A step of a bridge stands once.", Unique(KEY), KEY, "unit_code"),
        Rule(
            "QM-201",
            TABLE,
            "Our figure and the changes of a bridge's steps add up to theirs, exactly.",
            Rows(
                f"select {bridge}, max(step) as step from judged group by {bridge} "
                "having count(*) <> max(step) + 1 or (count(value) = count(*) "
                # Totals have no days: a step in days beside them tells no change.
                "and count(*) filter (where step > 0 and change is null and status = 'u') = 0 and "
                "sum(case when step = 0 then value else change end) is distinct from arg_max(value, step))"
            ),
            KEY,
            "unit_code",
        ),
        Rule(
            "QM-202",
            TABLE,
            "A step that leaves nothing says so: status x, and no value.",
            RowsWhere("(value is null) <> (status = 'x') or (denominator > 0) <> (value is not null)"),
            KEY,
            "unit_code",
        ),
        Rule("QM-203", TABLE, "A step's status is ok, u or x.", InSet("status", ("ok", "u", "x")), KEY, "unit_code"),
    ]


def bridge_equations() -> list[Rule]:
    """The equations with other tables, for the suite of reconciliation."""
    same = " and ".join(f"m.{column} = j.{column}" for column in _BRIDGE if column != "bridge_id")
    return [
        Rule(
            "RC-031",
            TABLE,
            "A bridge begins at our figure of the year to date.",
            Rows(
                f"select {', '.join(f'j.{column}' for column in KEY)} from judged as j join marts.measure_value as m "
                f"on {same} where j.step = 0 and m.period = 'YTD' and m.group_dimension = 'all' and "
                "(m.numerator is distinct from j.numerator or m.denominator is distinct from j.denominator)"
            ),
            KEY,
            "unit_code",
        )
    ]
