"""The record of a stage, as it is stored and read again."""

import pytest

from models.stage_record import FIELDS, StageRecord

INTENT = {"status": "completed", "ms": 3, "intent": "math", "confidence": 0.0, "cached": False}
WAITING = {"status": "pending", "ms": 1, "began": 2, "ended": 3, "text": True, "reason": "internal"}


@pytest.mark.parametrize("stored", [INTENT, WAITING, {"status": "completed", "tried": []}])
def test_a_record_is_stored_as_it_was_read(stored):
    assert StageRecord.of(stored).stored() == stored


def test_a_field_without_a_value_is_not_stored():
    assert StageRecord(ms=0).stored() == {"status": "pending", "ms": 0}


def test_a_stage_that_nothing_is_stored_of_is_pending():
    assert StageRecord.of({}) == StageRecord(status="pending")


def test_a_record_of_another_release_is_read_without_its_unknown_fields():
    assert StageRecord.of({"status": "skipped", "unheard_of": 1}) == StageRecord(status="skipped")


def test_the_fields_are_stored_in_their_order():
    record = StageRecord.of(dict.fromkeys(reversed(FIELDS), 1))

    assert tuple(record.stored()) == FIELDS
