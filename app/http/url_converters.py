"""Ids in paths."""

from werkzeug.routing import BaseConverter


class IdConverter(BaseConverter):
    """`<id:…>` matches the ids of `models.ids.new_id`. Anything else is a 404 and never reaches the
    database."""

    regex = r"[a-z]{1,8}_[0-9A-HJKMNP-TV-Z]{26}"
