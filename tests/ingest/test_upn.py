import pytest

from ingest.upn import LETTERS, UpnStatus, check_letter, upn_status


@pytest.mark.parametrize(
    ("upn", "status"),
    [
        ("B801200005001", UpnStatus.VALID),
        ("A801200005001", UpnStatus.BAD_CHECK),
        ("R674123101121", UpnStatus.VALID),
        ("P207000016049", UpnStatus.VALID),
        ("Q207000016049", UpnStatus.BAD_CHECK),
        ("H801200001001", UpnStatus.VALID),
        ("T38040001800L", UpnStatus.TEMPORARY),
        ("A38040001800L", UpnStatus.BAD_CHECK),
        ("T38040001800I", UpnStatus.MALFORMED),
        ("I801200005001", UpnStatus.MALFORMED),
        ("B80120000500", UpnStatus.MALFORMED),
        ("B8012000050012", UpnStatus.MALFORMED),
        ("B80120000500\u0661", UpnStatus.MALFORMED),
        ("", UpnStatus.MALFORMED),
    ],
)
def test_published_vectors_get_their_status(upn: str, status: UpnStatus) -> None:
    assert upn_status(upn) is status


def test_every_single_wrong_digit_of_a_valid_upn_is_found() -> None:
    good = "B801200005001"
    for position in range(1, 13):
        for digit in "0123456789":
            if digit != good[position]:
                assert upn_status(good[:position] + digit + good[position + 1 :]) is UpnStatus.BAD_CHECK


def test_the_check_alphabet_leaves_out_i_o_and_s() -> None:
    assert len(LETTERS) == 23
    assert not set("IOS") & set(LETTERS)


def test_a_body_of_another_shape_has_no_check_letter() -> None:
    with pytest.raises(ValueError, match="eleven digits"):
        check_letter("12345")
