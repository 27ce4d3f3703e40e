"""How long PostgreSQL waits for a process that is not heard of any more."""

from config.settings import Settings
from models.connection import PARAMETERS, TIMEOUTS


def test_what_a_lost_host_had_locked_is_free_before_its_leases_expire() -> None:
    idle_s = float(TIMEOUTS["idle_in_transaction_session_timeout"].removesuffix("s"))
    assert idle_s < Settings.model_fields["lease_s"].default
    # No sooner than the host itself gives the connection up: a short silence is no loss.
    assert idle_s * 1000 >= PARAMETERS["tcp_user_timeout"]
