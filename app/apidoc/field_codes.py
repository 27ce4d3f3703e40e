"""Every code of a wrong field and what it means: in `errors[]`, and under /v1/responses."""

from typing import Final

FIELDS: Final = {
    "missing": "It has to be there.",
    "nothing_to_change": "None of the call's fields is there.",
    "unknown_field": "The call has no such field.",
    "invalid": "It can't be meant; the message says why.",
    "contradiction": "It says something else than a header.",
    "blank": "It is empty, or white space only.",
    "not_a_string": "It is another kind of value.",
    "not_an_integer": "It is another kind of value.",
    "not_a_number": "It is another kind of value.",
    "not_a_boolean": "It is another kind of value.",
    "not_a_list": "It is another kind of value.",
    "not_an_object": "It is another kind of value.",
    "not_a_place": "No event of this stream has that id.",
    "not_allowed": "It is none of the values that are allowed.",
    "unsupported_value": "It may be left out, or say what happens anyway.",
    "too_long": "It has too many characters.",
    "too_short": "It has too few characters.",
    "too_many": "It has too many entries.",
    "too_few": "It has too few entries.",
    "repeated": "It has an entry twice.",
    "sent_twice": "The header was sent more than once.",
    "too_large": "It is a larger number than is allowed.",
    "too_small": "It is a smaller number than is allowed.",
    "too_slow": "What it asks for took too long.",
    "null_character": "It has a U+0000, which can't be stored.",
    "lone_surrogate": "It has half of a surrogate pair, which is no text.",
}

RESPONSES: Final = {
    "unknown_parameter": "The call has no such parameter.",
    "unsupported_parameter": "Trimind does not have it, or not with this value.",
    "missing_required_parameter": "It has to be there.",
    "invalid_type": "It is another kind of value.",
    "invalid_value": "It can't be meant; the message says why.",
    "string_above_max_length": "It has too many characters.",
    "string_below_min_length": "It has too few characters.",
    "array_above_max_length": "It has too many entries.",
    "array_below_min_length": "It has too few entries.",
    "number_above_max_value": "It is a larger number than is allowed.",
    "number_below_min_value": "It is a smaller number than is allowed.",
    "model_not_found": "`model` is no mind, and no model that has a key here.",
    "previous_response_not_found": "There is no such response, it is another user's, or what was "
    "said in it was deleted.",
    "previous_response_not_completed": "It has not ended, or has ended otherwise.",
    "response_restarted": "In a stream: the answer was begun again and differs from what had been "
    "sent of it. The response goes on and can be read.",
    "stream_cut_off": "In a stream: it ended before the response did. The response goes on and can "
    "be read.",
    "invalid_api_key": "No key came along, or one that is unknown or revoked.",
}
