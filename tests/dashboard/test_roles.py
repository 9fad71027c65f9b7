"""access.yml: who may read what, refused in one sentence with file and line where it cannot be meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.access import open_as
from dashboard.roles import AccessError, Grant, grant_of, read_roles
from dashboard.serve import dashboard_command
from ingest.settings import Settings
from tests.dashboard.release_fixture import make_settings

GOOD = """\
# Roles of the Example Learning Trust
roles:
  public: {tier: public}
  leaders:
    tier: leaders
  head-ashgrove:
    tier: pupils
    schools: [100001]
    year_groups: all
    special_category: true
  year-10-lead:
    tier: pupils
    schools: ["100004", 100005]
    year_groups: [10, R]
  operator: {tier: pupils, schools: all, year_groups: all, special_category: true}
"""


def write(settings: Settings, text: str | bytes) -> Settings:
    settings.home.mkdir(parents=True, exist_ok=True)
    settings.access_path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return settings


def test_a_role_is_what_the_file_says(own_home: Settings) -> None:
    write(own_home, GOOD)
    assert grant_of(own_home, "public") == Grant("public", "public")
    assert grant_of(own_home, "head-ashgrove") == Grant("head-ashgrove", "pupils", ("100001",), None, True)
    assert grant_of(own_home, "year-10-lead") == Grant("year-10-lead", "pupils", ("100004", "100005"), ("10", "R"))
    assert not grant_of(own_home, "operator").is_narrowed


def test_without_a_file_there_are_the_four_built_in_roles_and_only_the_operator_reads_special_categories(
    own_home: Settings,
) -> None:
    assert read_roles(own_home) is None
    assert grant_of(own_home, "leaders") == Grant("leaders", "leaders")
    assert grant_of(own_home, "school:100001") == Grant("school:100001", "pupils", ("100001",))
    assert grant_of(own_home, "operator") == Grant("operator", "pupils", special_category=True)


@pytest.mark.parametrize("role", ["leaders", "operator", "school:100001", "", "Public", "head-ashgrove ", "roles"])
def test_a_role_that_the_file_does_not_name_reads_nothing_even_if_it_is_built_in(own_home: Settings, role: str) -> None:
    write(own_home, "roles:\n  public: {tier: public}\n  head-ashgrove: {tier: public}\n")
    with pytest.raises(AccessError, match="may read nothing"), open_as(own_home, role):
        pass


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (("schools: [100001]", "schools: [100010]"), 8, "knows no school with URN 100010; write 10000"),
        (("100005]", "7]"), 13, "knows no school with URN 7"),
        (("tier: leaders", "tier: leader"), 5, "'leader' is no tier; write leaders"),
        (("tier: leaders", "tier: everything"), 5, "write public, leaders or pupils"),
        (("tier: leaders", "teir: leaders"), 5, "'teir' is no key here; write tier"),
        (("    tier: leaders\n", "    {}\n"), 4, "the role has no tier"),
        (("year-10-lead", "leaders"), 11, "the role 'leaders' stands here a second time"),
        (
            ("    year_groups: all\n", "    year_groups: all\n    tier: public\n"),
            10,
            "the key 'tier' stands here a second",
        ),
        (("[10, R]", "[10, Year 11]"), 14, "'Year 11' is no year group"),
        (("[10, R]", "[]"), 14, "neither 'all' nor a list"),
        (("    year_groups: [10, R]\n", ""), 11, "names year_groups too"),
        (
            ("special_category: true\n  year", "special_category: yes\n  year"),
            10,
            "'yes' is no special-category; write",
        ),
        (("{tier: public}", "{tier: public, schools: [100001]}"), 3, "take out schools, or write tier pupils"),
        (("public: {tier: public}", "public: {tier: pupils, schools: all, year_groups: all}"), 3, "is of tier public"),
        (("{tier: public}", "public"), 3, "public cannot be used"),
        (("[100001]", "[../100002]"), 8, "is no URN"),
        (("year-10-lead", "10 lead"), 11, "a role's name is"),
        (("roles:", "rolls:"), 1, "no roles stand here"),
        (("roles:", "people: []\nroles:"), 2, "'people' is no key here; write roles"),
        (("[100001]", "[100001"), 9, "this is no YAML"),
        (("    tier: leaders", "\ttier: leaders"), 5, "this is no YAML"),
        (("{tier: public}", "&a {tier: public}\n  other: *a"), 4, "an alias"),
        ((GOOD, ""), 1, "no roles stand here"),
        ((GOOD, "- a\n"), 1, "no roles stand here"),
        ((GOOD, "roles: {}\n---\nroles: {}\n"), 2, "this is no YAML"),
        ((GOOD, "roles: " + "[" * 5000), 1, "nested too deeply"),
    ],
)
def test_what_cannot_be_meant_refuses_to_start_with_file_and_line(
    own_home: Settings, change: tuple[str, str], line: int, said: str
) -> None:
    assert change[0] in GOOD
    write(own_home, GOOD.replace(*change, 1))
    with pytest.raises(AccessError) as caught:
        dashboard_command(own_home, "public")
    sentence = str(caught.value)
    assert sentence.startswith(f"{own_home.access_path}, line {line}: ")
    assert said in sentence
    assert "\n" not in sentence
    assert re.search(r"; [^;]+\.$", sentence), "a remedy ends the sentence"


@pytest.mark.parametrize("content", [b"roles:\n  caf\xe9: {tier: public}\n", b"\xff\xfe\x00"])
def test_a_file_of_other_bytes_lets_nobody_in(own_home: Settings, content: bytes) -> None:
    with pytest.raises(AccessError, match="cannot be read"):
        grant_of(write(own_home, content), "public")


def test_a_link_that_leads_nowhere_is_not_the_absence_of_a_file(own_home: Settings) -> None:
    own_home.access_path.symlink_to(own_home.home / "gone.yml")
    with pytest.raises(AccessError, match="leads nowhere"):
        grant_of(own_home, "operator")


def test_a_school_is_not_asked_of_a_release_that_does_not_exist_yet(tmp_path: Path) -> None:
    settings = write(make_settings(tmp_path / "home"), GOOD)
    assert grant_of(settings, "head-ashgrove").urns == ("100001",)


@given(text=st.text(st.sampled_from("roles: tier\n public{}[],-*&!'\"#|>%\t~10"), max_size=60))
def test_no_text_makes_a_role_that_nobody_wrote(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    settings = write(make_settings(tmp_path_factory.mktemp("home")), f"roles:\n  public: {{tier: public}}\n{text}")
    said = ""
    roles: dict[str, Grant] | None = {}
    try:
        roles = read_roles(settings)
    except AccessError as error:
        said = str(error)
    assert roles is not None
    assert {grant.tier for grant in roles.values()} == (set() if said else {"public"})
    assert not said or re.search(r"access\.yml, line \d+: ", said)
