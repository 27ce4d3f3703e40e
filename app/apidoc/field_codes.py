"""The codes of an invalid field and what they mean: in `errors[]`, and under /v1/responses."""

from typing import Final

FIELDS: Final = {
    "missing": "Required.",
    "nothing_to_change": "The body sets no field.",
    "unknown_field": "Unknown field.",
    "invalid": "Invalid; the message says why.",
    "contradiction": "Contradicts a header or another field.",
    "blank": "Empty or only white space.",
    "not_a_string": "Not a string.",
    "not_an_integer": "Not an integer.",
    "not_a_number": "Not a number.",
    "not_a_boolean": "Not true or false.",
    "not_a_list": "Not a list.",
    "not_an_object": "Not an object.",
    "not_a_place": "Not the id of an event of this stream.",
    "not_allowed": "Not one of the allowed values.",
    "unsupported_value": "Unsupported value: omit the field or send its default.",
    "too_long": "Too many characters.",
    "too_short": "Too few characters.",
    "too_many": "Too many entries.",
    "too_few": "Too few entries.",
    "repeated": "Contains an entry more than once.",
    "sent_twice": "The header was sent more than once.",
    "too_large": "Above the maximum.",
    "too_small": "Below the minimum.",
    "too_slow": "Took too long.",
    "null_character": "Contains U+0000, which can't be stored.",
    "lone_surrogate": "Contains a lone surrogate, which is not valid text.",
}

RESPONSES: Final = {
    "unknown_parameter": "Unknown parameter.",
    "unsupported_parameter": "The parameter, or its value, is not supported.",
    "missing_required_parameter": "Required.",
    "invalid_type": "The wrong type.",
    "invalid_value": "Invalid; the message says why.",
    "string_above_max_length": "Too many characters.",
    "string_below_min_length": "Too few characters.",
    "array_above_max_length": "Too many entries.",
    "array_below_min_length": "Too few entries.",
    "number_above_max_value": "Above the maximum.",
    "number_below_min_value": "Below the minimum.",
    "model_not_found": "`model` is neither a mind nor a model for which this server has a key.",
    "previous_response_not_found": "No such response: it doesn't exist, belongs to another user, "
    "or its conversation was deleted.",
    "previous_response_not_completed": "The previous response is not `completed`.",
    "response_restarted": "In a stream: the answer was restarted and differs from the text already "
    "sent. The response continues; retrieve it.",
    "stream_cut_off": "In a stream: it ended before the response did. The response continues; "
    "retrieve it.",
    "insufficient_quota": "The response may cost more than is left of the user's budget.",
    "invalid_api_key": "The API key is missing, unknown or revoked.",
    "rate_limit_exceeded": "Too many requests within a minute. Wait for `Retry-After`.",
}
