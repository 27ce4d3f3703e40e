"""Ids in paths."""

from werkzeug.routing import BaseConverter


class IdConverter(BaseConverter):
    """`<id:…>` takes what `models.ids.new_id` makes; anything else is no path of ours, so a 404,
    and no strange text gets as far as the database."""

    regex = r"[a-z]{1,8}_[0-9A-HJKMNP-TV-Z]{26}"
