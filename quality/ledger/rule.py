"""Who may be told of next: the rule that no two releases differ, in a cell they show, by a few pupils.

A record is what the public tier counts of one pupil at one school in one year and family of measures. Records that
came or changed since the last release move, or wait as they were last published. They move so that in every cell ever
shown the pupils by whom the new release differs from each one published before number none or at least T: records of a
cell where they would be fewer wait, and the cells are counted again, until nothing changes. Against the last release
alone this gives the largest set of records that may move, since fewer records moving never lets another one move.

Source: Hundepool et al. (2012), Statistical Disclosure Control, 5.2, on differencing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import duckdb

# What `admit` reads. A state gives, per period, what a record put into the figures (`print`) and the cells it was put
# into; it has no row where the record put in nothing. `arriving` and `kept` are the record as it came and as last
# published, `published` and `shown` (the cells that it showed) are of the version that is being compared with.
STATE_DDL = """
create or replace temp table moving (record_id bigint, pupil_key bigint);
create or replace temp table arriving (
    period varchar, record_id bigint, pupil_key bigint, print uhugeint, cells varchar[]);
create or replace temp table kept as from arriving;
create or replace temp table published as from arriving;
create or replace temp table shown (period varchar, cell varchar);
"""
_FEW = """
create or replace temp table few as
with candidate as (
    select * from arriving semi join moving using (record_id)
    union all
    select * from kept anti join moving using (record_id)
),
differing as (
    select
        coalesce(c.period, p.period) as period,
        coalesce(c.record_id, p.record_id) as record_id,
        coalesce(c.pupil_key, p.pupil_key) as pupil_key,
        c.cells as new_cells,
        p.cells as old_cells
    from candidate as c full outer join published as p on c.period = p.period and c.record_id = p.record_id
    where c.print is distinct from p.print or c.cells is distinct from p.cells
),
touched as (
    select period, record_id, pupil_key, unnest(new_cells) as cell from differing
    union
    select period, record_id, pupil_key, unnest(old_cells) as cell
    from differing where old_cells is distinct from new_cells
),
counted as (
    select period, cell from touched semi join shown using (period, cell)
    group by period, cell having count(distinct pupil_key) < $minimum
)
select distinct record_id from touched semi join counted using (period, cell)
"""


def admit(
    connection: duckdb.DuckDBPyConnection, versions: Iterable[int], load: Callable[[int], None], minimum: int
) -> None:
    """Takes from `moving` the records that may not move yet.

    Parameters: a connection with the tables of `STATE_DDL`, of which `moving`, `arriving` and `kept` are filled;
    `versions`, what was published, the last release first; `load`, which fills `published` and `shown` with one of
    them; `minimum`, T, the fewest pupils that a figure of the tier may rest on.
    """
    queue = list(versions)
    position = 0
    while position < len(queue):
        load(queue[position])
        position += 1
        while _drop_few(connection, minimum):
            position = 0
            if len(queue) > 1:
                break


def _drop_few(connection: duckdb.DuckDBPyConnection, minimum: int) -> bool:
    """Lets records wait that would be few in some cell; whether there were any."""
    connection.execute(_FEW, {"minimum": minimum})
    query = "delete from moving where record_id in (select record_id from few) returning record_id"
    return bool(connection.execute(query).fetchall())
