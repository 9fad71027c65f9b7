"""Progress: value added by school, as estimates with their reliability, and one school's row worked out by hand."""

from __future__ import annotations

import html
import json
import math
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import queries, readings, wording
from dashboard.components import palette
from dashboard.components.charts import interval_plot, points
from dashboard.components.figure import Table, figure, paragraph, title_of
from dashboard.components.filters import choose
from dashboard.components.schools import with_schools
from dashboard.context import Context

_TOLERANCE = 0.001
# A slope over starts that are measured with error is too flat by their reliability, so of a school whose pupils start
# low too much is expected. Source: Goldstein (2011), Multilevel Statistical Models, 4th ed., ch. 14.
_ERROR_OF_STARTS = (
    "Where pupils started is measured by a test, and no test measures exactly: of schools whose pupils start low too "
    "much is expected, so they look a little worse here than they did, and schools whose pupils start high a little "
    "better. "
    "The reliability of the tests is not known here, and nothing is corrected for it."
)


def render(context: Context) -> None:
    st.title("Progress", anchor=False)
    paragraph(
        "Value added: how far pupils came beyond what the model expects from where they started. Each "
        "school's estimate is "
        "pulled towards the average of the schools in the model, the more so the fewer pupils it has. It describes; it "
        "does not judge."
    )
    paragraph(_ERROR_OF_STARTS)
    years = context.ask(queries.academic_years)
    measures = {year: context.ordered(context.ask(queries.measure_ids, "progress_school", year)) for year in years}
    years = [year for year in years if measures[year]]
    if not years:
        st.info(
            "There is no progress data in this release: no pair of results from which progress could be worked out."
        )
        return
    left, right = st.columns(2)
    with left:
        year = choose("Academic year", {year: year for year in years}, "year")
    with right:
        measure_id = choose("Measure", {m: str(context.definition(m)["name"]) for m in measures[year]}, "progress")
    frame = with_schools(context, context.ask(queries.progress, year, measure_id), "school_key")
    models = context.ask(queries.models, year, measure_id)
    _schools(context, year, measure_id, frame)
    _one_school(context, measure_id, frame, models)
    _model(context, year, measure_id, models)


def _schools(context: Context, year: str, measure_id: str, frame: pd.DataFrame) -> None:
    frame = frame.copy()
    unit = str(context.definition(measure_id)["unit"])
    frame["reading"] = [
        readings.against(row["shrunken_ci_low"], row["shrunken_ci_high"], 0.0)
        if readings.shown(row, "shrunken")
        else readings.CANNOT_TELL
        for row in frame.to_dict("records")
    ]
    counts = frame["reading"].value_counts().to_dict()
    parts = [f"{counts[word]} {word}" for word in ("above", "below") if counts.get(word)]
    unclear = counts.get(readings.CANNOT_TELL, 0)
    if unclear:
        parts.append(f"for {unclear} we cannot tell")
    title = title_of(f"Progress: {', '.join(parts)}", "Progress of schools")
    words = {
        "above": palette.CATEGORIES[0],
        readings.CANNOT_TELL: palette.CATEGORIES[1],
        "below": palette.CATEGORIES[2],
    }
    figure(
        key=f"progress_{measure_id}",
        title=title,
        takeaway=f"Of {len(frame)} schools, compared with the average of the schools in the model (0). "
        "Above or below means that the 95% interval "
        "of the shrunken estimate excludes 0; with many schools some do so by chance. Schools stand by phase, "
        "then by name.",
        alt_text=f"Shrunken estimates of {len(frame)} schools with 95% intervals around 0: {', '.join(parts)}; the "
        "table has the figures.",
        caption=context.caption(measure_id, "all schools in the model", year),
        table=Table(
            frame,
            (
                "school_name",
                "n",
                "raw_mean",
                "raw_interval",
                "shrunken",
                "shrunken_interval",
                "reliability",
                "probability_above",
                "reading",
                "coverage",
                "status",
            ),
            unit,
            {
                "coverage": "Coverage (%)",
                "reading": "Against the average",
                "raw_mean": "Raw mean",
                "shrunken": "Shrunken",
                "probability_above": "Probability above 0",
                "raw_interval": "Raw, 95% interval",
                "shrunken_interval": "Shrunken, 95% interval",
            },
            {
                "raw_interval": ("raw_ci_low", "raw_ci_high"),
                "shrunken_interval": ("shrunken_ci_low", "shrunken_ci_high"),
            },
        ),
        chart=interval_plot(
            points(frame, "school_name", unit, "reading", ("shrunken", "shrunken_ci_low", "shrunken_ci_high")),
            axis_title=f"Shrunken estimate ({unit}), with 95% interval",
            words=words,
            reference=0.0,
        ),
    )


def _one_school(context: Context, measure_id: str, frame: pd.DataFrame, models: pd.DataFrame) -> None:
    st.header("One school, worked out by hand", anchor=False)
    names = dict(zip(frame["school_key"], frame["school_name"], strict=True))
    chosen = choose("School", names, "school_by_hand")
    row: dict[str, Any] = {str(k): v for k, v in frame[frame["school_key"] == chosen].iloc[0].to_dict().items()}
    if not readings.shown(row, "raw_mean"):
        paragraph(
            f"{names[chosen]}: progress is {wording.STATUS_WORDS.get(str(row['status']), wording.STATUS_WORDS['x'])}."
        )
        return
    fitted = [model for model in models.to_dict("records") if readings.shown(model, "var_school")]
    if not fitted or wording.missing(row["n"]):
        paragraph("The model's variances are not available (x), so the row cannot be worked out here.")
        return
    model = fitted[-1]
    var_school, var_pupil = float(model["var_school"]), float(model["var_pupil"])
    sums = readings.progress_sums(
        row, var_school, var_pupil, float(context.registry.data["statistics"]["normal_multiplier"])
    )
    n, raw = int(row["n"]), float(row["raw_mean"])
    f = wording.number
    lines = [
        f"n = {n} pupils; raw mean of their residuals = {f(raw, 4)}",
        f"σe = √{f(var_pupil, 5)} = {f(sums['sigma_e'], 4)} (spread of pupils within schools); σu² = "
        f"{f(var_school, 5)} (between schools)",
        f"95% interval of the raw mean = {f(raw, 4)} ± {f(sums['z'], 2)} × {f(sums['sigma_e'], 4)} / √{n} = "
        f"{f(raw, 4)} ± {f(sums['half_width'], 4)} = {f(sums['raw_low'], 3)} to {f(sums['raw_high'], 3)}",
        f"reliability = n σu² / (n σu² + σe²) = {n} × {f(var_school, 5)} / ({n} × {f(var_school, 5)} + "
        f"{f(var_pupil, 5)}) = "
        f"{f(sums['reliability'], 3)}",
        f"shrunken estimate = reliability × raw mean = {f(sums['reliability'], 3)} × {f(raw, 4)} = "
        f"{f(sums['shrunken'], 3)}",
        f"its standard error = √(σu² × (1 − reliability)) = √({f(var_school, 5)} × {f(1 - sums['reliability'], 4)}) = "
        f"{f(sums['shrunken_se'], 4)}; 95% interval = {f(sums['shrunken'], 3)} ± {f(sums['z'], 2)} × "
        f"{f(sums['shrunken_se'], 4)} = {f(sums['shrunken_low'], 3)} to {f(sums['shrunken_high'], 3)}",
        f"probability above 0 = share of the normal curve below {f(sums['shrunken'], 3)} / "
        f"{f(sums['shrunken_se'], 4)}: {wording.probability(sums['probability_above'])}",
    ]
    st.html(f'<ol class="ep-sums">{"".join(f"<li>{html.escape(line)}</li>" for line in lines)}</ol>')
    published = {
        "raw_low": row["raw_ci_low"],
        "raw_high": row["raw_ci_high"],
        "reliability": row["reliability"],
        "shrunken": row["shrunken"],
        "shrunken_low": row["shrunken_ci_low"],
        "shrunken_high": row["shrunken_ci_high"],
        "probability_above": row["probability_above"],
    }
    apart = [
        name
        for name, value in published.items()
        if wording.missing(value) or abs(float(value) - sums[name]) > _TOLERANCE
    ]
    if apart:
        st.warning(
            f"These sums differ from the release's own figures ({', '.join(apart)}); tell the data team, naming "
            "the release."
        )
    else:
        paragraph(
            f"These sums agree with the release's figures for {names[chosen]} to three decimals (model fitted by "
            f"{_method(model['method'])})."
        )


def _model(context: Context, year: str, measure_id: str, models: pd.DataFrame) -> None:
    if models.empty:
        paragraph("This release has no model for this measure.")
        return
    rows = []
    for model in models.to_dict("records"):
        status = str(model.get("status", "ok"))
        text = model.get("coefficients")
        terms: dict[str, Any] = {} if wording.missing(text) else json.loads(str(text))
        for term, estimate in terms.items():
            rows.append(
                {
                    "term": term.replace("_", " "),
                    "method": _method(model["method"]),
                    "estimate": estimate["estimate"],
                    "standard_error": estimate["standard_error"],
                    "status": status,
                }
            )
        for term in ("var_school", "var_pupil", "icc", "deviance"):
            words = {
                "var_school": "variance between schools",
                "var_pupil": "variance between pupils within schools",
                "icc": "share of variance between schools",
                "deviance": "deviance (−2 log likelihood)",
            }[term]
            rows.append(
                {
                    "term": words,
                    "method": _method(model["method"]),
                    "estimate": model[term],
                    "standard_error": None,
                    "status": status,
                }
            )
    frame = pd.DataFrame(rows)
    first = models.iloc[0]
    frame = frame.astype({"estimate": "float64", "standard_error": "float64"})
    # What is downloaded stays a number; the page shows more digits of a model than of a figure, to be checked by.
    frame["estimate_shown"] = [_digits(value) for value in frame["estimate"]]
    frame["standard_error_shown"] = [
        wording.STATUS_WORDS["z"] if wording.missing(value) else _digits(value) for value in frame["standard_error"]
    ]
    n_pupils, n_schools = (
        wording.cell_text("n", wording.plain(int(first["n_pupils"])), None, None),
        int(first["n_schools"]),
    )
    figure(
        key=f"model_{measure_id}",
        title=title_of(f"The model: {n_pupils} pupils in {n_schools} schools"),
        takeaway="Pupils in schools, a random intercept for each school. "
        "Restricted maximum likelihood estimates the variances, allowing for the coefficients being estimates too. "
        "Every school counts in the fit; limits "
        "govern only what is shown.",
        alt_text="A table of the model's coefficients and variances.",
        caption=context.caption(measure_id, "all schools in the model", year),
        table=Table(
            frame,
            ("term", "method", "estimate_shown", "standard_error_shown", "status"),
            headings={"estimate_shown": "Estimate", "standard_error_shown": "Standard error"},
            not_applicable=frozenset({"standard_error"}),
        ),
    )


def _digits(value: Any) -> str:
    """Six significant digits, with one decimal at the least and six at the most."""
    if wording.missing(value):
        return wording.STATUS_WORDS["x"]
    size = abs(float(value))
    places = 3 if size == 0 else min(max(5 - math.floor(math.log10(size)), 1), 6)
    return wording.number(float(value), places)


_METHODS = {"REML": "restricted maximum likelihood (REML)", "ML": "maximum likelihood (ML)"}


def _method(method: str) -> str:
    """The method of a model's fit in words."""
    return _METHODS.get(method, method)
