"""Who may be told of next: the rule that no two releases differ, in a cell they show, by a few pupils.

A record is what the public tier counts of one pupil at one school in one year and family of measures. It comes in two
parts: its `past`, the weeks that the last release told of and the groups it counts in, and what is `later`. Parts that
changed move, or wait as they were last published. They move so that in every cell ever shown the new release differs
from each one published before by none or at least T pupils, three times over: by pupils who entered or left the cell,
by those whose past was corrected, and by those who were there in the weeks since. They are counted apart, since in a
week that closes everybody moves, and one joiner would pass among them. Parts in a cell where they would be fewer wait,
and the cells are counted again, until nothing changes; a pupil's later weeks need not wait for a correction of the
past.

Source: Hundepool et al. (2012), Statistical Disclosure Control, 5.2, on differencing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import duckdb

# What `admit` reads. A state gives, per period, what a record put into the figures: `past`, in weeks up to the last of
# the version that is compared with, `mid`, in weeks up to the last release's, and `later` (0 for none); whether it
# counts as a pupil by the weeks told of and by the later ones; and the cells it is put into. `arriving` and `kept` are
# the record as it came and as last published; `published` and `shown` (the cells that it showed) are of the version
# compared with.
STATE_DDL = """
create or replace temp table moving (record_id bigint, pupil_key bigint, part varchar);
create or replace temp table arriving (period varchar, record_id bigint, pupil_key bigint, past uhugeint, mid uhugeint,
    later uhugeint, counts_told boolean, counts_later boolean, cells varchar[]);
create or replace temp table kept as from arriving;
create or replace temp table published as from arriving;
create or replace temp table shown (period varchar, cell varchar);
"""
_FEW = """
create or replace temp table few as
with candidate as (
    select
        coalesce(a.period, k.period) as period,
        coalesce(a.record_id, k.record_id) as record_id,
        coalesce(a.pupil_key, k.pupil_key) as pupil_key,
        m.record_id is not null as past_moves,
        coalesce(case when past_moves then a.past else k.past end, 0) as past,
        coalesce(case when past_moves then a.mid else k.mid end, 0) as mid,
        case when n.record_id is null then 0 else coalesce(a.later, 0) end as later,
        coalesce(case when past_moves then a.counts_told else k.counts_told end, false)
            or (n.record_id is not null and coalesce(a.counts_later, false)) as is_counted,
        case when past_moves or g.record_id is null then a.cells else coalesce(k.cells, g.cells) end as cells
    from arriving as a
    full outer join kept as k on a.period = k.period and a.record_id = k.record_id
    left join (from moving where part = 'past') as m on m.record_id = coalesce(a.record_id, k.record_id)
    left join (from moving where part = 'later') as n on n.record_id = coalesce(a.record_id, k.record_id)
    left join (select record_id, any_value(cells) as cells from kept group by record_id) as g
        on g.record_id = coalesce(a.record_id, k.record_id)
),
both_sides as (
    select
        coalesce(c.period, p.period) as period,
        coalesce(c.record_id, p.record_id) as record_id,
        coalesce(c.pupil_key, p.pupil_key) as pupil_key,
        coalesce(c.cells, []) as new_cells,
        coalesce(p.cells, []) as old_cells,
        c.record_id is null or p.record_id is null or c.is_counted <> (p.counts_told or p.counts_later) as is_entered,
        coalesce(c.past <> p.past, false) as is_corrected,
        coalesce(c.mid, 0) <> 0 or coalesce(c.later, 0) <> 0 as is_later,
        coalesce(c.past_moves, false) as past_moves
    from (from candidate where past <> 0 or mid <> 0 or later <> 0) as c
    full outer join published as p on c.period = p.period and c.record_id = p.record_id
),
touched as (
    select *, 'entered' as kind, unnest(case when is_entered then list_distinct(list_concat(new_cells, old_cells))
        else list_concat(list_filter(new_cells, lambda x: not list_contains(old_cells, x)),
            list_filter(old_cells, lambda x: not list_contains(new_cells, x))) end) as cell
    from both_sides
    union all
    select *, 'corrected', unnest(list_distinct(list_concat(new_cells, old_cells))) from both_sides where is_corrected
    union all
    select *, 'later', unnest(new_cells) from both_sides where is_later
),
counted as (
    select period, kind, cell from touched semi join shown using (period, cell)
    group by period, kind, cell having count(distinct pupil_key) < $minimum
)
select distinct record_id, case when kind <> 'later' and past_moves then 'past' else 'later' end as part
from touched semi join counted using (period, kind, cell)
"""


def admit(
    connection: duckdb.DuckDBPyConnection, versions: Iterable[int], load: Callable[[int], None], minimum: int
) -> None:
    """Takes from `moving` the records that may not move yet.

    Parameters: a connection with the tables of `STATE_DDL`, of which `moving` is filled; `versions`, what was
    published, the last release first; `load`, which fills the other tables for the comparison with one of them;
    `minimum`, T, the fewest pupils that a figure of the tier may rest on.
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
    """Lets parts wait that would be few in some cell; whether there were any."""
    connection.execute(_FEW, {"minimum": minimum})
    # What is few by weeks that an older version did not tell of can only wait with the past.
    dropped = connection.execute(
        """
        delete from moving where (record_id, part) in (from few) or (part = 'past' and record_id in (
            select record_id from few anti join moving using (record_id, part)
        )) returning record_id
        """
    ).fetchall()
    return bool(dropped)
