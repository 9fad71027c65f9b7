"""What the public tier was ever told, and which of what came since it may be told next."""

from quality.ledger.decision import NO_LEDGER_SQL, Decision, decide, read_decision
from quality.ledger.entry import Facts, append
from quality.ledger.store import Ledger, LedgerDamagedError

__all__ = [
    "NO_LEDGER_SQL",
    "Decision",
    "Facts",
    "Ledger",
    "LedgerDamagedError",
    "append",
    "decide",
    "read_decision",
]
