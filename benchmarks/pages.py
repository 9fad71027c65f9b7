"""How long pages of the dashboard take while several people use it: each opens one after another and thinks between.

`python -m benchmarks.pages HOME` prints as JSON the seconds of every page, and of how many people. They speak to the
server as a browser does, over Streamlit's websocket, but draw nothing: a browser on the same two cores would slow down
what is measured.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
import time
from pathlib import Path

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from dashboard.app import pages_of
from dashboard.serve import served
from ingest.settings import load_settings

ROLE = "leaders"
PEOPLE, PAGES_EACH = 25, 8
THINK_SECONDS = 15.0
_PAGE_SECONDS = 60.0
_FEWEST_ELEMENTS = 5  # of a page; one with fewer shows an error in place of its figures


def stream(address: str) -> connect:
    """The websocket of a served dashboard, as a browser opens it."""
    return connect(
        address.replace("http", "ws", 1) + "/_stcore/stream", subprotocols=[Subprotocol("streamlit")], max_size=None
    )


async def opened(connection: ClientConnection, page: str) -> float:
    """Seconds from asking for a page to the end of its answer. Raises `LookupError` where it is not the page."""
    ask = BackMsg()
    ask.rerun_script.page_name = page
    started = time.perf_counter()
    await connection.send(ask.SerializeToString())
    elements = 0
    async with asyncio.timeout(_PAGE_SECONDS):
        while True:
            message = ForwardMsg()
            message.ParseFromString(bytes(await connection.recv(decode=False)))
            kind = message.WhichOneof("type")
            elements += kind in ("delta", "ref_hash")
            if kind == "page_not_found" or message.delta.new_element.WhichOneof("type") == "exception":
                raise LookupError(f"the page {page!r} answered with an error")
            # A run that another page ended first is not the answer.
            if kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                break
    if elements < _FEWEST_ELEMENTS:
        raise LookupError(f"the page {page!r} answered with {elements} elements")
    return time.perf_counter() - started


async def _person(address: str, number: int, pages: tuple[str, ...]) -> list[float]:
    """One person's pages, in an order of their own, each after some time to think."""
    chance = random.Random(number)
    seconds = []
    await asyncio.sleep(chance.uniform(0, THINK_SECONDS))
    async with stream(address) as connection:
        for _ in range(PAGES_EACH):
            seconds.append(await opened(connection, chance.choice(pages)))
            await asyncio.sleep(chance.uniform(0.5, 1.5) * THINK_SECONDS)
    return seconds


async def _everybody(address: str, pages: tuple[str, ...]) -> list[float]:
    people = await asyncio.gather(*(_person(address, number, pages) for number in range(PEOPLE)))
    return [seconds for person in people for seconds in person]


def main() -> None:
    home = Path(sys.argv[1])
    # The first page is the one that has no path of its own.
    pages = ("", *(path for _, path, _ in pages_of(ROLE)[1:]))
    with (
        tempfile.TemporaryDirectory() as folder,
        served(load_settings(home), ROLE, Path(folder) / "log.txt") as address,
    ):
        seconds = asyncio.run(_everybody(address, pages))
    print(json.dumps({"people": PEOPLE, "think_seconds": THINK_SECONDS, "seconds": seconds}))


if __name__ == "__main__":
    main()
