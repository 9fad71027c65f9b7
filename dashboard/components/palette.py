"""The Government Analysis Function's colours, in the order in which they are used, and the style of every chart."""

from __future__ import annotations

from typing import Any

# Source: Government Analysis Function, Data visualisation: colours in charts.
CATEGORIES = ("#12436D", "#28A197", "#801650", "#F46A25")
FOCUS = "#12436D"
QUIET = "#BFBFBF"
TEXT = "#0B0C0C"
GRID = "#D9D9D9"
REFERENCE = "#3D3D3D"
BACKGROUND = "#FFFFFF"


def chart_style() -> dict[str, Any]:
    """The configuration of a chart: horizontal text of 14 px, quiet grid, no box."""
    text = {
        "labelFontSize": 14,
        "titleFontSize": 14,
        "labelColor": TEXT,
        "titleColor": TEXT,
        "titleFontWeight": "normal",
    }
    return {
        "font": "Source Sans, Arial, sans-serif",
        "background": BACKGROUND,
        "view": {"stroke": None},
        "axis": {**text, "gridColor": GRID, "domainColor": REFERENCE, "tickColor": REFERENCE, "labelLimit": 240},
        "legend": {**text, "orient": "top", "symbolSize": 120},
        "header": {
            **text,
            "labelFontWeight": "bold",
            "labelAngle": 0,
            "labelAlign": "left",
            "labelAnchor": "start",
            "title": None,
        },
        "text": {"fontSize": 14, "color": TEXT},
    }
