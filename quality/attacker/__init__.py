"""The attacker of disclosure control: solves for what a tier's reader may not know from all that the reader reads."""

from quality.attacker.attack import attack
from quality.attacker.breach import Breach

__all__ = ["Breach", "attack"]
