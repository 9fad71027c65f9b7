"""The dashboard: `streamlit run dashboard/app.py`, one process for each tier. It reads the release in force and
nothing else.
"""

from __future__ import annotations

import html
from collections.abc import Callable

import streamlit as st

from dashboard import wording
from dashboard.access import AccessError
from dashboard.access_log import AccessLogError
from dashboard.components.style import apply_style
from dashboard.context import Context, load_context, served_tier
from dashboard.reader import ReleaseError
from dashboard.views import (
    accessibility,
    attendance,
    data_quality,
    definitions,
    early_response,
    gaps,
    overview,
    progress,
)

NamedPage = tuple[str, str, Callable[[Context], None]]  # title, path, what shows it
_PAGES: tuple[NamedPage, ...] = (
    ("Overview", "start", overview.render),
    ("Attendance", "attendance", attendance.render),
    ("Progress", "progress", progress.render),
    ("Gaps", "gaps", gaps.render),
    ("Data quality", "data-quality", data_quality.render),
    ("Definitions", "definitions", definitions.render),
)
_PAGES_OF_PUPILS: tuple[NamedPage, ...] = (("Early response", "early-response", early_response.render),)
_BAD_OUTCOMES = {
    "refused": "was refused",
    "failed": "failed",
    "gate_broken": "could not be judged, because the gate itself broke",
}
_TIER_WORDS = {
    "public": "Public view: figures of small groups are hidden.",
    "leaders": "Leaders' view: for leaders of the trust or local authority.",
    "pupils": "Restricted view, on this machine only.",
}


def main() -> None:
    """Shows the page chosen in the navigation."""
    st.set_page_config(page_title="Everypupil", layout="wide", initial_sidebar_state="auto")
    apply_style()
    pages = [
        st.Page(_page(render), title=title, url_path=path, default=render is overview.render)
        for title, path, render in pages_of(served_tier())
    ]
    # The first page stands at the address without a path; who adds its name there is not told that there is no page.
    pages.append(st.Page(_page(overview.render), title="Overview", url_path="overview", visibility="hidden"))
    pages.append(st.Page(accessibility.render, title="Accessibility and cookies", url_path="accessibility"))
    chosen = st.navigation(pages, position="sidebar", expanded=True)
    chosen.run()


def pages_of(tier: str) -> tuple[NamedPage, ...]:
    """The pages that a tier has: those that show rows of pupils are for its readers alone, and lead theirs."""
    return (_PAGES[0], *(_PAGES_OF_PUPILS if tier == "pupils" else ()), *_PAGES[1:])


def _page(render: Callable[[Context], None]) -> Callable[[], None]:
    """A page that shows an error in words where its release is missing or damaged, and never a figure."""

    def run() -> None:
        try:
            context = load_context()
            _banners(context)
            render(context)
        except (ReleaseError, AccessError, AccessLogError) as error:
            st.title("These figures cannot be shown", anchor=False)
            st.error(wording.literal(str(error)))

    return run


def _banners(context: Context) -> None:
    st.html(f'<p><b>Everypupil</b> <span class="ep-phase">Beta</span>{_TIER_WORDS[context.grant.tier]}</p>')
    if context.settings.notice:
        st.html(f'<p class="ep-notice">{html.escape(context.settings.notice)}</p>')
    last_run = context.last_run or {}
    outcome = str(last_run.get("outcome", ""))
    if outcome in _BAD_OUTCOMES:
        since = wording.day(str(context.release.manifest.get("published_at", "an unknown day")))
        when = wording.day(str(last_run.get("finished_at") or last_run.get("started_at") or "an unknown day"))
        reasons = [
            str(failure.get("sentence", "")) for failure in last_run.get("failures") or [] if failure.get("sentence")
        ]
        st.warning(
            wording.literal(
                f"The newest run, on {when}, {_BAD_OUTCOMES[outcome]}. {last_run.get('sentence', '')} "
                f"{' '.join(reasons[:3])} "
                f"These figures are of release {context.release.release_id}, in force since {since}."
            )
        )


if __name__ == "__main__":
    main()
