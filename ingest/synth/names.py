"""Words that schools and people are named from. No school of these names is meant; names say nothing of a pupil's
background."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TRUST_CODE = "99001"
TRUST_NAME = "Quillmere Learning Trust"

PLACES = _words(
    "Ashquill Bramwick Caldmere Dunthorpe Elverstow Fenholt Garthwell Hollinmere Ilverton Jessamy Keldwick "
    "Larkstow Marlbeck Nethergrove Oakmere Penhallow Quarrendon Rushwick Silverbeck Thornmere Underholt Vexley "
    "Wrenfield Yarrowby Zealmere Alderstow Birchmere Coppergate Dewhollow Emberley"
)
QUALIFIERS = ("", "Vale", "Hill", "Green", "Park", "Meadow", "Heath", "Brook", "Cross", "Lane")

SURNAMES = _words(
    "Adams Ahmed Akhtar Allen Andrews Bailey Baker Barnes Begum Bell Bennett Brown Butler Campbell Carter Chapman "
    "Chen Clark Collins Cook Cooper Cox Davies Davis Dixon Edwards Ellis Evans Fisher Foster Fox Gibson Gill "
    "Gordon Graham Grant Gray Green Griffiths Hall Hamilton Harris Harrison Harvey Hill Holmes Howard Hughes Hunt "
    "Hussain Jackson James Jenkins Johnson Jones Joseph Kaur Kelly Khan King Kowalski Knight Lee Lewis Li Lloyd "
    "Malik Marshall Martin Mason Matthews Miller Mills Mitchell Mohamed Moore Morgan Morris Murphy Murray Nguyen "
    "O'Brien O'Connor Osei Owen Palmer Parker Patel Phillips Powell Price Reid Reynolds Richards Richardson "
    "Roberts Robinson Rogers Rose Russell Saunders Scott Shah Shaw Simpson Singh Smith Smith-Jones Stevens "
    "Stewart Taylor Thomas Thompson Turner Walker Walsh Ward Watson Webb White Wilkinson Williams Wilson Wood "
    "Wright Young"
)
GIRLS = _words(
    "Aaliyah Abigail Ada Aisha Alice Amelia Amy Anna Ava Beatrice Bella Charlotte Chloe Clara Daisy Eleanor Eliza "
    "Ella Elsie Emily Emma Erin Esme Eva Evelyn Fatima Florence Freya Georgia Grace Hana Hannah Harriet Holly "
    "Imogen Iris Isabella Isla Ivy Jasmine Jessica Khadija Layla Leah Lily Lola Lottie Lucy Maisie Maryam Matilda "
    "Maya Mia Millie Molly Naomi Nina Olivia Penelope Phoebe Poppy Priya Rosie Ruby Sara Scarlett Sienna Sofia "
    "Sophie Thea Violet Willow Zara Zoë"
)
BOYS = _words(
    "Aaron Adam Albert Alexander Alfie Ali Archie Arthur Benjamin Caleb Charlie Daniel David Dylan Edward Elijah "
    "Elliot Ethan Felix Finley Freddie Gabriel George Harrison Harry Harvey Henry Hugo Ibrahim Idris Isaac Jack "
    "Jacob James Jaxon Jayden Joseph Joshua Jude Kai Kian Leo Lewis Liam Logan Louis Luca Lucas Max Michael "
    "Mohammed Muhammad Nathan Noah Oliver Omar Oscar Otis Ralph Reuben Riley Ronnie Rory Ryan Samuel Sebastian "
    "Theo Thomas Toby Tommy William Yusuf Zachary Zain"
)

ETHNICITIES: tuple[tuple[str, float, tuple[str, ...]], ...] = (
    ("WIRI", 0.02, ()),
    ("WOTH", 0.22, ("POL", "RMN", "POR", "ITA", "UKR")),
    ("WROM", 0.02, ("RMI",)),
    ("MWBC", 0.06, ()),
    ("MWBA", 0.05, ()),
    ("MWAS", 0.07, ()),
    ("MOTH", 0.08, ("SPA", "FRN")),
    ("AIND", 0.10, ("PNJ", "GUJ", "HIN", "TAM")),
    ("APKN", 0.11, ("URD", "PNJ")),
    ("ABAN", 0.05, ("BNG",)),
    ("AOTH", 0.05, ("TGL", "NEP", "PRS")),
    ("BCRB", 0.03, ()),
    ("BAFR", 0.10, ("SOM", "YOR", "AKA", "SHO")),
    ("BOTH", 0.02, ("FRN",)),
    ("CHNE", 0.02, ("CHI",)),
    ("OOTH", 0.05, ("ARA", "KUR", "TUR")),
    ("REFU", 0.03, ()),
    ("NOBT", 0.02, ()),
)
"""Census main codes other than WBRI, their share among those pupils, and the languages spoken at home beside
English."""
